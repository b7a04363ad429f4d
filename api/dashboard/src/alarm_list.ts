// Which alarms are shown, and in which order: pure, so that it can be read and trusted.

import type { Alarm, AlarmKind, AlarmState, Level } from "./model";

/** First what nobody has taken responsibility for; what has returned by itself can wait longer. */
const STATE_ORDER: Record<AlarmState, number> = {
  unacknowledged: 0,
  returned_unacknowledged: 1,
  acknowledged: 2,
  normal: 3,
};

/** The level that matters for an alarm: the present one, or the worst once it has returned. */
export const levelShown = (alarm: Alarm): Level => alarm.level || alarm.worstLevel;

/**
 * Since when an alarm has had its present level, where that is known and later than its beginning:
 * its newest step was a rise or a fall then, not an operator's.
 */
export function levelSinceMs(alarm: Alarm): number | null {
  const isSteps = alarm.state === "unacknowledged" || alarm.changedMs > (alarm.acknowledgedMs ?? Infinity);
  return alarm.level > 0 && isSteps && alarm.changedMs > alarm.raisedMs ? alarm.changedMs : null;
}

/** Most urgent first: by state, the ground before the system, then by level, then the newest. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    STATE_ORDER[a.state] - STATE_ORDER[b.state] ||
    Number(a.kind === "technical") - Number(b.kind === "technical") ||
    levelShown(b) - levelShown(a) ||
    b.changedMs - a.changedMs ||
    a.occurrence.localeCompare(b.occurrence)
  );
}

/** What names an alarm at its level: after a rise it is something new to look at. */
export const noticeKey = (alarm: Alarm): string => `${alarm.occurrence} ${levelShown(alarm)}`;

/** Of what nobody has acknowledged and nobody has put away, the worst, then the newest. */
export function mostNoticeable(
  alarms: Iterable<Alarm>,
  putAway: ReadonlySet<string>,
): Alarm | null {
  const waiting = [...alarms].filter(
    (alarm) =>
      alarm.kind === "process" &&
      (alarm.state === "unacknowledged" || alarm.state === "returned_unacknowledged") &&
      !putAway.has(noticeKey(alarm)),
  );
  waiting.sort((a, b) => levelShown(b) - levelShown(a) || byUrgency(a, b));
  return waiting[0] ?? null;
}

export interface Filters {
  readonly level: Level | null;
  readonly kind: AlarmKind | null;
  readonly structure: string | null;
  readonly state: AlarmState | "open";
}

export const NO_FILTERS: Filters = { level: null, kind: null, structure: null, state: "open" };

export const isFiltered = (filters: Filters): boolean =>
  filters.level !== null ||
  filters.kind !== null ||
  filters.structure !== null ||
  filters.state !== "open";

export function passes(alarm: Alarm, filters: Filters): boolean {
  if (filters.level !== null && levelShown(alarm) !== filters.level) return false;
  if (filters.kind !== null && alarm.kind !== filters.kind) return false;
  if (filters.structure !== null && alarm.structure !== filters.structure) return false;
  return filters.state === "open" ? alarm.state !== "normal" : alarm.state === filters.state;
}
