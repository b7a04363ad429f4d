// The dialog in which an operator takes responsibility, and in which the centre answers.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api";
import { evidenceText, ruleText } from "../evidence";
import { levelShown } from "../alarm_list";
import { Picture } from "../icons";
import type { Alarm } from "../model";
import { alarms, channels, structureOf, takeAlarm } from "../store";
import { alarmName, inWords, language, say } from "../words";
import { LevelBadge } from "./marks";

const PERSON_KEPT_AS = "groundwatch.person";

const asked = signal<Alarm | null>(null);

export function askToAcknowledge(alarm: Alarm): void {
  asked.value = alarm;
}

export function AcknowledgeDialog() {
  const alarm = asked.value;
  return alarm ? <Dialog key={alarm.occurrence} alarm={alarm} /> : null;
}

function Dialog({ alarm }: { alarm: Alarm }) {
  const words = say().acknowledge;
  const dialog = useRef<HTMLDialogElement>(null);
  const isSending = useSignal(false);
  const problem = useSignal<string | null>(null);
  // What the person looked at when the dialog opened: the centre refuses if it has risen since.
  const seen = useSignal(alarm.number);
  // The level may change while the dialog is open: show what is true now.
  const current = alarms.value.get(alarm.occurrence) ?? alarm;
  const channel = channels.value.get(current.channel);
  const structure = structureOf(current.structure);

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const person = String(form.get("person") ?? "").trim();
    const comment = String(form.get("comment") ?? "").trim();
    if (!person) return;
    localStorage.setItem(PERSON_KEPT_AS, person);
    isSending.value = true;
    problem.value = null;
    try {
      const { site, occurrence } = alarm;
      takeAlarm(
        await api.acknowledge(site, { occurrence, person, comment, number: seen.value }),
      );
      dialog.current?.close();
    } catch (error) {
      problem.value = problemText(error);
      // The refusal says to look again; what is shown beside it is what is answered for next.
      seen.value = current.number;
    }
    isSending.value = false;
  }

  return (
    <dialog
      ref={dialog}
      aria-labelledby="acknowledge-title"
      onClose={() => {
        asked.value = null;
      }}
      data-testid="acknowledge-dialog"
    >
      <form onSubmit={submit}>
        <header>
          <h2 id="acknowledge-title">{words.title}</h2>
          <button
            type="button"
            class="quiet"
            aria-label={words.cancel}
            onClick={() => dialog.current?.close()}
          >
            <Picture of="close" />
          </button>
        </header>
        <div class="subject">
          <LevelBadge
            level={levelShown(current)}
            hollow={current.clearedMs !== null}
            kind={current.kind}
          />
          <b>{alarmName(current, channels.value)}</b>
          <span>{structure ? inWords(structure.name) : ""}</span>
          <span>
            {ruleText(current)} {evidenceText(current, channel) ?? ""}
          </span>
        </div>
        <p class="meaning">{words.meaning}</p>
        <label>
          {words.person}
          <input
            name="person"
            required
            maxLength={80}
            autocomplete="name"
            defaultValue={localStorage.getItem(PERSON_KEPT_AS) ?? ""}
            data-testid="acknowledge-person"
          />
        </label>
        <label>
          {words.comment}
          <textarea
            name="comment"
            rows={3}
            maxLength={1000}
            placeholder={words.commentHint}
            data-testid="acknowledge-comment"
          />
        </label>
        {problem.value && (
          <p class="problem" role="alert" data-testid="acknowledge-problem">
            {problem.value}
          </p>
        )}
        <footer>
          <button type="button" onClick={() => dialog.current?.close()}>
            {words.cancel}
          </button>
          <button
            class="primary"
            type="submit"
            disabled={isSending.value}
            data-testid="acknowledge-submit"
          >
            {isSending.value ? words.sending : words.submit}
          </button>
        </footer>
      </form>
    </dialog>
  );
}

/** The centre's own sentence, which is English; for others, and where it leaves doubt, also ours. */
function problemText(error: unknown): string {
  const { message } = error as api.ApiError;
  const unanswered = api.unansweredOf(error as api.ApiError);
  const ours = say().acknowledge[unanswered];
  if (!message) return ours;
  if (language.value !== "en") return `${ours} ${message}`;
  return unanswered === "uncertain" ? `${message} ${ours}` : message;
}
