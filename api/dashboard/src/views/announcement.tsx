// The newest alarm: said aloud to those who listen, shown where the view does not list it.

import { useSignal } from "@preact/signals";
import { levelShown } from "../alarm_list";
import { Picture } from "../icons";
import { type Alarm, LEVEL_KEYS } from "../model";
import { route, structureLink } from "../route";
import { alarms, channels, isUnacknowledged, newestRaised, structureOf } from "../store";
import { alarmName, inWords, say } from "../words";
import { askToAcknowledge } from "./acknowledge";
import { LevelBadge } from "./marks";

export function Announcement() {
  const raised = newestRaised.value;
  const current = raised ? alarms.value.get(raised.occurrence) : undefined;
  const name = current ? alarmName(current, channels.value) : "";
  const where = current ? structureOf(current.structure) : null;
  return (
    <>
      <div class="unseen" aria-live="assertive" data-testid="announcement">
        {current && spokenText(current, name, where ? inWords(where.name) : "")}
      </div>
      {current && isElsewhere(current) && (
        <Notice key={`${current.occurrence} ${current.level}`} alarm={current} name={name} />
      )}
    </>
  );
}

function spokenText(alarm: Alarm, name: string, structure: string): string {
  const words = say();
  if (alarm.kind === "technical") return words.alarms.announceTechnical(name, structure);
  return words.alarms.announce(words.levels[LEVEL_KEYS[levelShown(alarm)]], name, structure);
}

/** Whether an alarm of the ground is not what the view in sight is about already. */
function isElsewhere(alarm: Alarm): boolean {
  const shown = route.value;
  return (
    alarm.kind === "process" && shown.view === "structure" && shown.channel !== alarm.channel
  );
}

/** Stays until somebody has acknowledged the alarm, or has put the notice away. */
function Notice({ alarm, name }: { alarm: Alarm; name: string }) {
  const words = say();
  const isPutAway = useSignal(false);
  if (isPutAway.value || !isUnacknowledged(alarm)) return null;
  const structure = structureOf(alarm.structure);
  const level = levelShown(alarm);
  return (
    <div class={`announcement level-${level}`} data-testid="notice">
      <LevelBadge level={level} hollow={alarm.clearedMs !== null} />
      <p>
        <b>{name}</b>
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
        onClick={() => {
          isPutAway.value = true;
        }}
      >
        <Picture of="close" size={16} />
      </button>
    </div>
  );
}
