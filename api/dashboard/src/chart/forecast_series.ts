// What the plots of a forecast show: points, line, stretches, marks of an axis. Pure.

import type { ForecastDetail, Move } from "../forecasts";

const HOUR_MS = 3_600_000;
/** Slower than this an hour's movement is a number that nobody reads: days are counted. */
const HOURLY_MIN = 0.1;
/** The place that is left free on either side, as a part of the stretch. */
const AIR = 0.04;

/** Hours in the unit of time that velocities are shown in. */
export const paceHours = (velocity: number | null): 1 | 24 =>
  velocity !== null && Math.abs(velocity) < HOURLY_MIN ? 24 : 1;

/** Columns for a plot: instants, inverse velocities that count, others, and the line. */
export interface InverseSeries {
  readonly timeS: number[];
  readonly usable: (number | null)[];
  readonly noise: (number | null)[];
  readonly line: (number | null)[];
  readonly fromS: number;
  readonly toS: number;
  readonly top: number; // Of what has to be in sight.
}

/** Where the line reaches zero; null where it does not fall. */
export function crossingMs(detail: ForecastDetail): number | null {
  const { newest, slope, intercept } = detail;
  if (newest === null || slope === null || intercept === null || slope >= 0) return null;
  return newest.askedMs - (intercept / slope) * HOUR_MS;
}

/** Lay out the inverse velocities of the newest answer; inverses count in `hours` a unit. */
export function inverseSeries(detail: ForecastDetail, hours: number): InverseSeries | null {
  const { newest, rates, slope, intercept } = detail;
  if (newest === null || rates.length === 0) return null;
  const firstMs = Math.min(...rates.map((rate) => rate.atMs));
  const zeroMs = crossingMs(detail);
  const known = Math.max(newest.askedMs, newest.latestMs ?? 0);
  // A line that ends far away is followed for as long again as it has been seen.
  const lastMs = Math.max(known, Math.min(zeroMs ?? 0, known + (newest.askedMs - firstMs)));
  const air = AIR * (lastMs - firstMs);
  const endMs = zeroMs !== null && zeroMs <= lastMs ? zeroMs : lastMs + air;
  const lineAt = (ms: number): number | null =>
    slope === null || intercept === null
      ? null
      : Math.max(0, intercept + (slope * (ms - newest.askedMs)) / HOUR_MS) / hours;
  const points = [
    ...rates.map(({ atMs, inverse, usable }) => ({ atMs, inverse, usable, line: null })),
    ...[firstMs, endMs].map((atMs) => ({ atMs, inverse: null, usable: false, line: lineAt(atMs) })),
  ].sort((a, b) => a.atMs - b.atMs);
  const usable = points.map((one) =>
    one.usable && one.inverse !== null ? one.inverse / hours : null,
  );
  return {
    timeS: points.map((one) => one.atMs / 1000),
    usable,
    noise: points.map((one) =>
      !one.usable && one.inverse !== null ? one.inverse / hours : null,
    ),
    line: points.map((one) => one.line),
    fromS: (firstMs - air) / 1000,
    toS: (lastMs + air) / 1000,
    // What is noise may be near zero, and its inverse anywhere.
    top: Math.max(...usable.map((one) => one ?? 0), lineAt(firstMs) ?? 0),
  };
}

/** Columns for a plot of how the expected time has moved. */
export interface MovesSeries {
  readonly askedS: number[];
  readonly failsS: (number | null)[];
  readonly whiskers: readonly (readonly [askedS: number, fromS: number, toS: number])[];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Lay out the answers from the first that gave a time; null where none has. */
export function movesSeries(moves: readonly Move[]): MovesSeries | null {
  const first = moves.findIndex((move) => move.failsMs !== null);
  if (first < 0) return null;
  const shown = moves.slice(first);
  const askedS = shown.map((move) => move.askedMs / 1000);
  const failsS = shown.map((move) => (move.failsMs === null ? null : move.failsMs / 1000));
  const whiskers = shown.flatMap(({ askedMs, earliestMs, latestMs }) =>
    earliestMs === null || latestMs === null
      ? []
      : [[askedMs / 1000, earliestMs / 1000, latestMs / 1000] as const],
  );
  const ends = [
    ...failsS.filter((one) => one !== null),
    ...whiskers.flatMap(([, fromS, toS]) => [fromS, toS]),
  ];
  return { askedS, failsS, whiskers, x: aired(askedS), y: aired(ends) };
}

function aired(values: readonly number[]): readonly [number, number] {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const air = low === high ? 3600 : AIR * (high - low);
  return [low - air, high + air];
}

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const STEPS_S = [
  ...[60, 120, 300, 600, 900, 1800],
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_S),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((days) => days * DAY_S),
];

/** Instants for the marks of an axis: on round hours or days of a place so far ahead of UTC. */
export function instantMarks(
  lowS: number,
  highS: number,
  most: number,
  aheadS: number,
): number[] {
  const step = STEPS_S.find((one) => (highS - lowS) / one <= most) ?? STEPS_S.at(-1)!;
  const marks = [];
  const first = Math.ceil((lowS + aheadS) / step) * step - aheadS;
  for (let at = first; at <= highS && marks.length < 100; at += step) marks.push(at);
  return marks;
}
