// The form for those who come without a sign-in link.

import { useSignal } from "@preact/signals";
import { Logo } from "../icons";
import { signInError, signingOut, trySignIn } from "../session";
import { say } from "../words";
import { LookTools } from "./header";

export function SignIn() {
  const words = say().signIn;
  const isSending = useSignal(false);
  const error = signInError.value;

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const token = String(new FormData(form).get("token") ?? "").trim();
    if (!token) return;
    isSending.value = true;
    await trySignIn({ token });
    isSending.value = false;
  }

  return (
    <main class="sign-in" id="content">
      <form class="panel" onSubmit={submit} data-testid="sign-in-form">
        <h1>
          <Logo /> Groundwatch
        </h1>
        {signingOut.value !== "done" && (
          <p class="problem" role="alert" data-testid="signing-out">
            {signingOut.value === "not_reached" ? words.stillSignedIn : words.notEnded}
          </p>
        )}
        <p>{words.explanation}</p>
        <label>
          {words.token}
          <input
            type="password"
            name="token"
            autocomplete="current-password"
            spellcheck={false}
            data-testid="sign-in-token"
          />
        </label>
        {error && (
          <p class="problem" role="alert" data-testid="sign-in-error">
            {error.status === 0 ? words.unreachable : `${words.refused} ${error.message}`}
          </p>
        )}
        <button class="primary" type="submit" disabled={isSending.value}>
          {words.submit}
        </button>
      </form>
      <div class="tools">
        <LookTools />
      </div>
    </main>
  );
}
