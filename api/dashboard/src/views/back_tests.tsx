// Back-tests: what limits would have said about stored history, and what another file would say.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { BackTestRequest } from "../api";
import {
  askForBackTest,
  backTestError,
  backTests,
  cancelBackTest,
  followBackTests,
  isEnded,
} from "../back_tests";
import { nowMs } from "../clock";
import { instantText, numberText } from "../format";
import type { BackTest } from "../model";
import { siteKey } from "../store";
import { say } from "../words";

const DAY_MS = 86_400_000;
const MONTH_DAYS = 30;

export function BackTests() {
  const words = say().backTests;
  const key = siteKey.value;
  useEffect(followBackTests, [key]);
  const known = backTests.value;
  return (
    <main class="back-tests" id="content">
      <h1>{words.title}</h1>
      <p class="explanation">{words.explanation}</p>
      <AskForm />
      {known !== "loading" && known.length === 0 && <p class="empty panel">{words.none}</p>}
      {known !== "loading" && (
        <ul class="back-test-list" data-testid="back-tests">
          {known.map((one) => (
            <BackTestRow key={one.id} of={one} site={key ?? ""} />
          ))}
        </ul>
      )}
    </main>
  );
}

function AskForm() {
  const words = say().backTests;
  const isSending = useSignal(false);
  const error = backTestError.value;

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    isSending.value = true;
    try {
      if (await askForBackTest(await requestOf(new FormData(form)))) form.reset();
    } finally {
      isSending.value = false;
    }
  }

  return (
    <form class="panel ask" onSubmit={submit} data-testid="back-test-form">
      <label>
        <span>{words.from}</span>
        <input type="date" name="from" required defaultValue={dayBefore(MONTH_DAYS)} />
      </label>
      <label>
        <span>{words.to}</span>
        <input type="date" name="to" required defaultValue={dayBefore(0)} />
      </label>
      <label>
        <span>{words.siteFile}</span>
        <input type="file" name="site_file" accept=".yaml,.yml" data-testid="back-test-site" />
      </label>
      <label>
        <span>{words.against}</span>
        <input type="file" name="against" accept=".yaml,.yml" data-testid="back-test-against" />
      </label>
      <label>
        <span>{words.events}</span>
        <input type="file" name="events" accept=".csv" data-testid="back-test-events" />
      </label>
      <button class="primary" type="submit" disabled={isSending.value}>
        {words.submit}
      </button>
      {error && (
        <p class="problem" role="alert" data-testid="back-test-error">
          {error.status === 0 ? say().signIn.unreachable : error.message}
        </p>
      )}
    </form>
  );
}

function BackTestRow({ of, site }: { of: BackTest; site: string }) {
  const words = say().backTests;
  const page = `/api/v1/sites/${encodeURIComponent(site)}/backtests/${of.id}/page`;
  return (
    <li class="panel" data-testid="back-test" data-state={of.state}>
      <div>
        <b>{words.states[of.state]}</b>
        {of.state === "running" && (
          <progress value={of.progress} max={1} aria-label={of.doing ?? words.states.running} />
        )}
      </div>
      <div>
        {day(of.fromMs)} – {day(of.toMs)}
        {of.files.length > 0 && <small>{of.files.map((one) => words.files[one]).join(", ")}</small>}
      </div>
      <div>
        <small>{words.asked(instantText(of.askedMs), of.askedBy)}</small>
        {of.state === "running" && <small>{numberText(Math.round(of.progress * 100))} %</small>}
        {of.reason && <p class="problem reason">{of.reason}</p>}
      </div>
      <div class="actions">
        {of.hasPage && (
          <a class="button" href={page} target="_blank" rel="noopener">
            {words.report}
          </a>
        )}
        {!isEnded(of) && (
          <button type="button" onClick={() => void cancelBackTest(of.id)}>
            {words.cancel}
          </button>
        )}
      </div>
    </li>
  );
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const dayBefore = (days: number): string => day(nowMs.peek() - days * DAY_MS);

async function requestOf(form: FormData): Promise<BackTestRequest> {
  return {
    from: `${String(form.get("from"))}T00:00:00Z`,
    to: `${String(form.get("to"))}T00:00:00Z`,
    ...(await textOf(form, "site_file")),
    ...(await textOf(form, "against")),
    ...(await textOf(form, "events")),
  };
}

/** A file that was chosen, as a field of the request; nothing where none was. */
async function textOf(form: FormData, name: string): Promise<Record<string, string>> {
  const file = form.get(name);
  return file instanceof File && file.size > 0 ? { [name]: await file.text() } : {};
}
