// What the plots and lists of forecasts show, decided without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  crossingMs,
  instantMarks,
  inverseSeries,
  movesSeries,
  paceHours,
} from "../src/chart/forecast_series";
import { sorted } from "../src/forecasts";
import { forecastDetailOf, forecastOf } from "../src/reading_forecasts";

const HOUR_MS = 3_600_000;
const ASKED_MS = Date.UTC(2025, 6, 1);
const isoAt = (hours: number): string => new Date(ASKED_MS + hours * HOUR_MS).toISOString();

/** Rates at -30, -20 and -10 h whose inverses fall to zero at hour 10; one more is noise. */
function told(times: object, slope = -0.1): object {
  const point = (at: number, usable = true): object => ({
    at: isoAt(at),
    inverse: at < -40 ? 90 : (10 - at) / 10,
    usable,
  });
  return {
    channel: "c",
    unit: "mm",
    newest: { channel: "c", asked_at: isoAt(0), velocity: 1, ...times },
    inverse_velocity: {
      rates: [point(-50, false), point(-30), point(-20), point(-10)],
      slope,
      intercept: 1,
    },
    moves: [],
  };
}

const GIVEN = { fails_at: isoAt(11), earliest_at: isoAt(8), latest_at: isoAt(15), level: 0.8 };

test("the line of a forecast is drawn from the first rate to where it reaches zero", () => {
  const detail = forecastDetailOf(told(GIVEN));
  assert.equal(crossingMs(detail), ASKED_MS + 10 * HOUR_MS);
  const series = inverseSeries(detail, 1)!;
  const drawn = series.timeS.flatMap((at, i) =>
    series.line[i] === null ? [] : [[(at * 1000 - ASKED_MS) / HOUR_MS, series.line[i]]],
  );
  assert.deepEqual(drawn, [[-50, 6], [10, 0]]);
  assert.deepEqual(series.usable.filter((one) => one !== null), [4, 3, 2]);
  assert.deepEqual(series.noise.filter((one) => one !== null), [90]);
  assert.ok(series.top < 90, "noise does not make the plot high");
  assert.ok(series.toS * 1000 > ASKED_MS + 15 * HOUR_MS, "the whole interval is in sight");
  assert.equal(inverseSeries(detail, 24)!.top, series.top / 24);
});

test("a line that falls slowly, or not at all, does not make the plot endless", () => {
  const slow = inverseSeries(forecastDetailOf(told({}, -1e-6)), 1)!;
  assert.ok(slow.toS * 1000 < ASKED_MS + 60 * HOUR_MS);
  const rising = forecastDetailOf(told({}, 0.1));
  assert.equal(crossingMs(rising), null);
  assert.ok(inverseSeries(rising, 1)!.line.every((one) => one === null || one >= 0));
  assert.equal(inverseSeries(forecastDetailOf({ newest: null, moves: [] }), 1), null);
});

test("how a forecast moved begins with the first time that was given, and gaps stay gaps", () => {
  const json = {
    moves: [
      { asked_at: isoAt(-3) },
      { asked_at: isoAt(-2), ...GIVEN },
      { asked_at: isoAt(-1) },
      { asked_at: isoAt(0), ...GIVEN, latest_at: isoAt(30) },
    ],
  };
  const { moves } = forecastDetailOf(json);
  const series = movesSeries(moves)!;
  assert.equal(series.askedS.length, 3);
  assert.equal(series.failsS[1], null);
  assert.equal(series.whiskers.length, 2);
  assert.ok(series.y[0] * 1000 < ASKED_MS + 8 * HOUR_MS);
  assert.ok(series.y[1] * 1000 > ASKED_MS + 30 * HOUR_MS);
  assert.equal(movesSeries(moves.slice(0, 1)), null);
  const [low, high] = movesSeries(moves.slice(1, 2))!.x;
  assert.ok(low < high, "one answer alone has room around it");
});

test("marks of an axis stand on round hours of the site", () => {
  const lowS = Date.UTC(2025, 6, 1, 3, 17) / 1000;
  const hoursOf = (marks: number[], ahead: number): number[] =>
    marks.map((at) => (at / 3600 + ahead) % 24);
  assert.deepEqual(hoursOf(instantMarks(lowS, lowS + 20 * 3600, 5, 8 * 3600), 8), [12, 18, 0, 6]);
  assert.deepEqual(hoursOf(instantMarks(lowS, lowS + 20 * 3600, 5, 5.5 * 3600), 5.5), [12, 18, 0]);
  assert.ok(instantMarks(lowS, lowS + 1e12, 5, 0).length <= 100);
});

test("forecasts come in three lists, and what does not say that it is fresh is not", () => {
  const all = [
    { channel: "a", accelerates: true, fails_at: isoAt(9) },
    { channel: "b", accelerates: true },
    { channel: "c" },
  ].map(forecastOf);
  assert.deepEqual(
    sorted(all).map((list) => list.map((one) => one.channel)),
    [["a"], ["b"], ["c"]],
  );
  assert.equal(all[0]!.freshness, "unknown");
  assert.deepEqual([paceHours(2), paceHours(0.01), paceHours(null)], [1, 24, 1]);
});
