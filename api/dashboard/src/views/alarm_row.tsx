// One alarm: what, where, how bad, since when, on what evidence, and whether somebody has it.

import { evidenceText, ruleText, sourceText } from "../evidence";
import { agoText, instantText } from "../format";
import { levelShown, levelSinceMs } from "../alarm_list";
import { Picture } from "../icons";
import { type Alarm, LEVEL_KEYS } from "../model";
import { structureLink } from "../route";
import { channels, isUnacknowledged, newestRaised, structureOf, votes } from "../store";
import { neighboursOf } from "../votes";
import { alarmName, inWords, say } from "../words";
import { askToAcknowledge } from "./acknowledge";
import { LevelBadge, TechnicalTag } from "./marks";
import { neighboursText } from "./votes";

export function AlarmRow({ alarm }: { alarm: Alarm }) {
  const words = say();
  const channel = channels.value.get(alarm.channel);
  const structure = structureOf(alarm.structure);
  const level = levelShown(alarm);
  const name = alarmName(alarm, channels.value);
  const evidence = evidenceText(alarm, channel);
  const isNew = newestRaised.value?.occurrence === alarm.occurrence;
  const hasReturned = alarm.clearedMs !== null;
  const source = sourceText(alarm);
  const sinceMs = levelSinceMs(alarm);
  const isStanding = alarm.kind === "process" && !hasReturned;
  const nearby = isStanding ? neighboursOf(votes.value.values(), alarm.channel) : null;
  return (
    <li
      class={`alarm panel level-${level} ${alarm.kind} ${alarm.state}${isNew ? " new" : ""}`}
      data-testid="alarm-row"
      data-occurrence={alarm.occurrence}
      data-level={LEVEL_KEYS[level]}
      data-state={alarm.state}
      data-kind={alarm.kind}
    >
      <div class="alarm-level">
        <LevelBadge level={level} hollow={hasReturned} kind={alarm.kind} />
      </div>
      <div class="alarm-what">
        {alarm.structure === null ? (
          <span class="name">{name}</span>
        ) : (
          <a
            class="name stretched"
            href={structureLink(alarm.structure, channel ? alarm.channel : null)}
          >
            {name}
          </a>
        )}
        <span class="where">
          {structure ? inWords(structure.name) : ""}
          {alarm.kind === "technical" && <TechnicalTag />}
        </span>
      </div>
      <div class="alarm-evidence">
        <span class="rule">{ruleText(alarm)}</span>
        {evidence && <span class="measured">{evidence}</span>}
        {nearby && (
          <span class="source" data-testid="nearby">
            {neighboursText(nearby)}
          </span>
        )}
        {alarm.sounded.map((one) => (
          <span class="source" data-testid="sounded" key={`${one.atMs} ${one.sounder}`}>
            {one.isOn
              ? words.alarms.sounded(one.sounder, instantText(one.atMs))
              : words.alarms.silentAgain(one.sounder, instantText(one.atMs))}
          </span>
        ))}
        {source && <span class="source">{words.alarms.source(source)}</span>}
      </div>
      <div class="alarm-when">
        <time dateTime={new Date(alarm.raisedMs).toISOString()}>
          {words.alarms.raised(instantText(alarm.raisedMs))}
        </time>
        <span class="age">{agoText(alarm.raisedMs)}</span>
        {sinceMs !== null && (
          <span class="since">
            {words.alarms.levelSince(words.levels[LEVEL_KEYS[level]], instantText(sinceMs))}
          </span>
        )}
        {alarm.worstLevel > level && (
          <span class="age">{words.alarms.worst(words.levels[LEVEL_KEYS[alarm.worstLevel]])}</span>
        )}
      </div>
      <div class="alarm-state">
        <StateText alarm={alarm} />
        {isUnacknowledged(alarm) && (
          <button
            type="button"
            class="acknowledge"
            aria-label={words.alarms.acknowledgeLong(name)}
            onClick={() => askToAcknowledge(alarm)}
            data-testid="acknowledge-button"
          >
            <Picture of="check" size={16} />
            {words.alarms.acknowledge}
          </button>
        )}
      </div>
    </li>
  );
}

function StateText({ alarm }: { alarm: Alarm }) {
  const words = say().alarms;
  if (alarm.state === "returned_unacknowledged") {
    return (
      <span class="state returned">
        {words.returnedAt(instantText(alarm.clearedMs ?? alarm.changedMs))}
      </span>
    );
  }
  if (alarm.state === "unacknowledged") {
    return <span class="state waiting">{say().states.unacknowledged}</span>;
  }
  return (
    <span class="state taken">
      {alarm.acknowledgedBy !== null &&
        words.acknowledgedBy(
          alarm.acknowledgedBy,
          instantText(alarm.acknowledgedMs ?? alarm.changedMs),
        )}
      {alarm.comment && <q>{alarm.comment}</q>}
      {alarm.clearedMs !== null && <span>{words.clearedAt(instantText(alarm.clearedMs))}</span>}
    </span>
  );
}
