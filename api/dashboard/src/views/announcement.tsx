// The newest alarm is said aloud to those who listen; the worst that nobody has acknowledged is
// shown until somebody does, where the view does not list it.

import { signal } from "@preact/signals";
import { levelShown, mostNoticeable, noticeKey } from "../alarm_list";
import { Picture } from "../icons";
import { type Alarm, LEVEL_KEYS } from "../model";
import { type Route, route, structureLink } from "../route";
import { alarms, channels, newestRaised, structureOf } from "../store";
import { alarmName, inWords, say } from "../words";
import { askToAcknowledge } from "./acknowledge";
import { LevelBadge } from "./marks";

const putAway = signal<ReadonlySet<string>>(new Set());

export function Announcement() {
  const raised = newestRaised.value;
  const spoken = raised ? alarms.value.get(raised.occurrence) : undefined;
  const elsewhere = [...alarms.value.values()].filter((one) => isElsewhere(one, route.value));
  const noticed = mostNoticeable(elsewhere, putAway.value);
  return (
    <>
      <div class="unseen" aria-live="assertive" data-testid="announcement">
        {spoken && spokenText(spoken)}
      </div>
      {noticed && <Notice key={noticeKey(noticed)} alarm={noticed} />}
    </>
  );
}

function spokenText(alarm: Alarm): string {
  const words = say();
  const name = alarmName(alarm, channels.value);
  const where = structureOf(alarm.structure);
  const structure = where ? inWords(where.name) : "";
  if (alarm.kind === "technical") return words.alarms.announceTechnical(name, structure);
  return words.alarms.announce(words.levels[LEVEL_KEYS[levelShown(alarm)]], name, structure);
}

/** Whether an alarm is not what the view in sight is about already. */
const isElsewhere = (alarm: Alarm, shown: Route): boolean =>
  shown.view === "structure" && shown.channel !== alarm.channel;

/** Put away what waits now; what rises or is raised later is shown again. */
function dismiss(): void {
  putAway.value = new Set([...alarms.value.values()].map(noticeKey));
}

/** Stays until somebody has acknowledged the alarm, or has put the notice away. */
function Notice({ alarm }: { alarm: Alarm }) {
  const words = say();
  const structure = structureOf(alarm.structure);
  const level = levelShown(alarm);
  return (
    <div class={`announcement level-${level}`} data-testid="notice">
      <LevelBadge level={level} hollow={alarm.clearedMs !== null} />
      <p>
        <b>{alarmName(alarm, channels.value)}</b>
        <small>{structure ? inWords(structure.name) : ""}</small>
      </p>
      {alarm.structure !== null && (
        <a
          class="button"
          href={structureLink(
            alarm.structure,
            channels.value.has(alarm.channel) ? alarm.channel : null,
          )}
        >
          {words.alarms.show}
        </a>
      )}
      <button type="button" onClick={() => askToAcknowledge(alarm)}>
        {words.alarms.acknowledge}
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={words.alarms.dismiss}
        onClick={dismiss}
      >
        <Picture of="close" size={16} />
      </button>
    </div>
  );
}
