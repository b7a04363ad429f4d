// A line over time: instants and values, where null breaks the line. Pure.

import { FIRST_BAD, type History, type Latest } from "../model";

export interface Series {
  readonly timeS: number[];
  readonly value: (number | null)[];
}

/** A pause longer than this many spacings is a hole, not a line drawn straight across it. */
const SPACINGS_MAX = 3.5;
/** The newest reading may be this many periods old before the end counts as a gap. */
const PERIODS_LATE = 5;

/**
 * Lay a history out: bad readings and pauses become gaps, never values.
 *
 * Where history is thinned out its points stand up to `bucketS` apart, which is no pause.
 */
export function seriesOf(history: History, periodS: number, bucketS: number): Series {
  const series: Series = { timeS: [], value: [] };
  const spacingS = Math.max(periodS, bucketS);
  history.timeS.forEach((timeS, n) => {
    const isGood = (history.quality[n] ?? 0) < FIRST_BAD;
    push(series, timeS, isGood ? (history.value[n] ?? null) : null, spacingS);
  });
  return series;
}

/** Add a newest reading; tells whether it was newer than what is there. */
export function append(series: Series, row: Latest, periodS: number): boolean {
  if (row.sampledMs === null) return false;
  const timeS = row.sampledMs / 1000;
  if (timeS <= (series.timeS.at(-1) ?? -Infinity)) return false;
  push(series, timeS, row.quality < FIRST_BAD ? row.value : null, periodS);
  return true;
}

function push(series: Series, timeS: number, value: number | null, spacingS: number): void {
  const last = series.timeS.at(-1);
  if (last !== undefined && timeS - last > SPACINGS_MAX * spacingS) {
    series.timeS.push((last + timeS) / 2);
    series.value.push(null);
  }
  series.timeS.push(timeS);
  series.value.push(value);
}

/** Forget what is older than an instant. */
export function trim(series: Series, fromS: number): void {
  const first = series.timeS.findIndex((at) => at >= fromS);
  const count = first < 0 ? series.timeS.length : first;
  if (count < 64) return; // Cutting arrays at every reading would cost more than it saves.
  series.timeS.splice(0, count);
  series.value.splice(0, count);
}

/** Add to a loaded line the readings that came in while it was being loaded. */
export function joinTail(loaded: Series, before: Series): void {
  const last = loaded.timeS.at(-1) ?? -Infinity;
  before.timeS.forEach((timeS, n) => {
    if (timeS <= last) return;
    loaded.timeS.push(timeS);
    loaded.value.push(before.value[n] ?? null);
  });
}

/** Smallest and largest value within a stretch of time. */
export function extentOf(series: Series, fromS: number, toS: number): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  series.timeS.forEach((timeS, n) => {
    const value = series.value[n];
    if (value == null || timeS < fromS || timeS > toS) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  return low <= high ? [low, high] : null;
}

export interface Gap {
  readonly fromS: number;
  readonly toS: number;
}

/** Find the stretches between good readings in which there is none. */
export function gapsOf(series: Series, nowS: number, periodS: number): Gap[] {
  const gaps: Gap[] = [];
  let lastGood: number | null = null;
  let isBroken = false;
  series.timeS.forEach((timeS, n) => {
    if (series.value[n] == null) {
      isBroken = true;
      lastGood ??= timeS;
      return;
    }
    if (isBroken && lastGood !== null) gaps.push({ fromS: lastGood, toS: timeS });
    isBroken = false;
    lastGood = timeS;
  });
  if (lastGood !== null && (isBroken || nowS - lastGood > PERIODS_LATE * periodS)) {
    gaps.push({ fromS: lastGood, toS: nowS });
  }
  return gaps;
}
