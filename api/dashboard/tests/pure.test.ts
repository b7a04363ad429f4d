// What the page decides without a browser: orders, gaps, ranges, distances to limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, unansweredOf } from "../src/api";
import {
  byUrgency,
  levelSinceMs,
  mostNoticeable,
  NO_FILTERS,
  noticeKey,
  passes,
} from "../src/alarm_list";
import { verticalRange } from "../src/chart/scale";
import { append, gapsOf, joinTail, type Series, seriesOf } from "../src/chart/series";
import { eventPageOf } from "../src/events";
import { retryDelayMs } from "../src/live";
import type { Alarm, Latest, Limit } from "../src/model";
import { keyChannels } from "../src/key_channels";
import { FIRST_BOUND_AT, nearness, stepsOf } from "../src/nearness";
import { alarmOf, alarmsOf, channelOf, latestOf, levelOf } from "../src/reading";
import * as store from "../src/store";
import "./forecasts.test"; // One bundle is built, and run, for all of them.

function alarm(part: Partial<Alarm>): Alarm {
  const plain = alarmOf({ occurrence: "a", kind: "process", state: "unacknowledged" });
  return { ...plain, level: 1, worstLevel: 1, raisedMs: 0, changedMs: 0, ...part };
}

function latest(atS: number, value: number | null, quality = 0): Latest {
  const row = { channel: "c", sampled_at: new Date(atS * 1000).toISOString(), value, quality };
  return latestOf(row);
}

test("an alarm that is answered after another site was chosen is not put among its alarms", () => {
  store.siteKey.value = "here";
  store.takeAlarm(alarm({ occurrence: "ours", site: "here" }));
  store.takeAlarm(alarm({ occurrence: "theirs", site: "there" }));
  assert.deepEqual([...store.alarms.value.keys()], ["ours"]);
});

test("what nobody has acknowledged comes first, then the ground, then the worse, then the newer", () => {
  const sorted = [
    alarm({ occurrence: "acknowledged red", state: "acknowledged", level: 4 }),
    alarm({ occurrence: "returned red", state: "returned_unacknowledged", level: 0, worstLevel: 4 }),
    alarm({ occurrence: "blue", level: 1 }),
    alarm({ occurrence: "technical yellow", level: 2, kind: "technical", changedMs: 9 }),
    alarm({ occurrence: "old yellow", level: 2, changedMs: 1 }),
    alarm({ occurrence: "new yellow", level: 2, changedMs: 2 }),
  ].sort(byUrgency);
  assert.deepEqual(
    sorted.map((one) => one.occurrence),
    ["new yellow", "old yellow", "blue", "technical yellow", "returned red", "acknowledged red"],
  );
});

test("alarms that a full list leaves out are counted", () => {
  const one = { occurrence: "a", kind: "process", state: "unacknowledged" };
  assert.equal(alarmsOf({ alarms: [one], total: 1001, cursor: {} }).notShown, 1000);
  assert.equal(alarmsOf({ alarms: [one], total: 1, cursor: {} }).notShown, 0);
});

test("the worst that waits is noticed, whatever comes after it", () => {
  const red = alarm({ occurrence: "red", level: 4, changedMs: 1 });
  const others = [
    alarm({ occurrence: "blue", level: 1, changedMs: 2 }),
    alarm({ occurrence: "technical", kind: "technical", level: 4, changedMs: 3 }),
    alarm({ occurrence: "answered", state: "acknowledged", level: 4, changedMs: 4 }),
  ];
  const back = { ...red, state: "returned_unacknowledged", level: 0, worstLevel: 4 } as const;
  assert.equal(mostNoticeable([...others, red], new Set())?.occurrence, "red");
  assert.equal(mostNoticeable([...others, back], new Set())?.occurrence, "red");
  assert.equal(mostNoticeable([...others, red], new Set([noticeKey(red)]))?.occurrence, "blue");
  assert.equal(mostNoticeable(others.slice(1), new Set()), null);
  const risen = { ...red, level: 3 } as const;
  assert.equal(mostNoticeable([red], new Set([noticeKey(risen)]))?.occurrence, "red");
});

test("a returned alarm is found by the level that it had reached", () => {
  const returned = alarm({ state: "returned_unacknowledged", level: 0, worstLevel: 3 });
  assert.ok(passes(returned, { ...NO_FILTERS, level: 3 }));
  assert.ok(!passes(returned, { ...NO_FILTERS, level: 1 }));
  assert.ok(!passes(alarm({ state: "normal" }), NO_FILTERS));
});

test("since when a level holds is told only where the newest step says so", () => {
  const risen = alarm({ level: 4, raisedMs: 1, changedMs: 5 });
  assert.equal(levelSinceMs(risen), 5);
  assert.equal(levelSinceMs({ ...risen, changedMs: 1 }), null);
  assert.equal(levelSinceMs({ ...risen, state: "acknowledged", acknowledgedMs: 5 }), null);
  assert.equal(levelSinceMs({ ...risen, state: "acknowledged", acknowledgedMs: 3 }), 5);
  assert.equal(levelSinceMs({ ...risen, state: "returned_unacknowledged", level: 0 }), null);
});

test("bad readings and pauses break the line", () => {
  const history = { timeS: [0, 30, 60, 300, 330], value: [1, 2, 3, 4, 5], quality: [0, 101, 0, 0, 1] };
  const series = seriesOf(history, 30, 5);
  assert.deepEqual(series.value, [1, null, 3, null, 4, 5]);
  assert.deepEqual(gapsOf(series, 340, 30), [
    { fromS: 0, toS: 60 },
    { fromS: 60, toS: 300 },
  ]);
});

test("history that has been thinned out is not full of gaps", () => {
  const timeS = Array.from({ length: 50 }, (_, n) => n * 600);
  const series = seriesOf({ timeS, value: timeS.map(() => 1), quality: timeS.map(() => 0) }, 30, 600);
  assert.equal(series.value.length, 50);
});

test("a line that has ended goes on as a gap up to now", () => {
  assert.deepEqual(gapsOf({ timeS: [0, 30], value: [1, 2] }, 1000, 30), [{ fromS: 30, toS: 1000 }]);
});

test("new readings are added once, in order, and bad ones as gaps", () => {
  const series: Series = { timeS: [], value: [] };
  assert.ok(append(series, latest(30, 1), 30));
  assert.ok(!append(series, latest(30, 1), 30));
  assert.ok(!append(series, latest(0, 9), 30));
  assert.ok(append(series, latest(60, null, 111), 30));
  assert.deepEqual(series, { timeS: [30, 60], value: [1, null] });
});

test("what arrived while history was loading is kept", () => {
  const loaded: Series = { timeS: [0, 30], value: [1, 2] };
  joinTail(loaded, { timeS: [30, 60], value: [7, 3] });
  assert.deepEqual(loaded, { timeS: [0, 30, 60], value: [1, 2, 3] });
});

test("a violated limit is always in sight, a far one only when asked for", () => {
  const red = { value: 30, direction: "high" as const };
  const [bottom, top] = verticalRange([95.7, 95.9], [red], 0.01, false);
  assert.ok(bottom <= 30 && top >= 95.9, `${bottom} to ${top}`);
  const [, quiet] = verticalRange([1.0, 1.2], [red], 0.01, false);
  assert.ok(quiet < 2, String(quiet));
  const [, all] = verticalRange([1.0, 1.2], [red], 0.01, true);
  assert.ok(all >= 30, String(all));
});

test("noise of the last digit does not fill the chart, and zero is the floor of what is positive", () => {
  const [bottom, top] = verticalRange([5.0, 5.01], [], 0.01, false);
  assert.ok(top - bottom >= 0.2);
  assert.equal(verticalRange([0, 10], [], 0.1, false)[0], 0);
});

const LIMIT: Limit = channelOf({
  limits: [{ rule: "limit_low", direction: "low", levels: { yellow: 5, red: 3 }, source: "x" }],
}).limits[0]!;

test("nearness grows towards a low limit and steps at its bounds", () => {
  assert.ok(nearness(LIMIT, 9) < nearness(LIMIT, 6));
  assert.equal(nearness(LIMIT, 5), FIRST_BOUND_AT);
  assert.equal(nearness(LIMIT, 3), stepsOf(LIMIT)[1]!.from);
  assert.equal(nearness(LIMIT, -50), 1);
});

function weighedChannel(id: string, quantity: string, weight: number) {
  const limits = [{ rule: "limit_high", direction: "high", levels: { red: 3 }, source: "x" }];
  return { channel: channelOf({ channel: id, quantity, limits }), weight };
}

const DAM = [
  weighedChannel("point", "horizontal_displacement", 0.3),
  weighedChannel("seepage", "seepage_flow", 0.2),
  weighedChannel("depth 1", "phreatic_depth", 0.1),
  weighedChannel("depth 2", "phreatic_depth", 0.2),
  weighedChannel("rain", "rainfall", 0),
  weighedChannel("level", "pond_level", 0),
  weighedChannel("freeboard", "freeboard", 0),
];
const shownOn = (among: typeof DAM, count = 5): string[] =>
  keyChannels("tailings_dam", among, count).map((one) => one.channel);

test("a quiet dam's card shows what dams are known by, each by its most concerning channel", () => {
  assert.deepEqual(shownOn(DAM), ["freeboard", "level", "depth 2", "rain", "seepage"]);
  assert.deepEqual(shownOn(DAM.slice(0, 3)), ["depth 1", "seepage", "point"]);
});

test("what nears its limit comes first, and many alike leave room for others", () => {
  const rising = [1, 2, 3, 4].map((n) => weighedChannel(`high ${n}`, "phreatic_depth", 1 + n / 10));
  const near = weighedChannel("near", "seepage_flow", 0.44);
  const cards = shownOn([...DAM, near, ...rising]);
  assert.deepEqual(cards, ["high 4", "high 3", "high 2", "near", "freeboard"]);
});

test("no energy at all is far from limits that are powers of ten apart", () => {
  const levels = { blue: 1e5, yellow: 1e6, orange: 1e7, red: 1e8 };
  const limits = [{ rule: "limit_high", direction: "high", levels, source: "x" }];
  const limit = channelOf({ limits }).limits[0]!;
  assert.equal(nearness(limit, 0), 0);
  assert.ok(nearness(limit, 9e4) > 0.4);
});

test("levels are read as numbers and as words", () => {
  assert.deepEqual([levelOf(4), levelOf("red"), levelOf("none"), levelOf(null)], [4, 4, 0, 0]);
});

/** What the words of the page need of a browser. */
function pretendBrowser(): void {
  const localStorage = { getItem: () => null };
  Object.defineProperty(globalThis, "localStorage", { value: localStorage, configurable: true });
  Object.assign(globalThis, { document: { documentElement: {} } });
}

test("a bound is written with every digit, so that a value beyond it looks so", async () => {
  pretendBrowser();
  const { boundText } = await import("../src/format");
  assert.equal(boundText(1523.455), "1,523.455");
  assert.equal(boundText(0.0125), "0.0125");
  assert.equal(boundText(1e8), "100,000,000");
});

test("only the centre's word says that nothing was acknowledged", () => {
  const of = (status: number, code: string) => unansweredOf(new ApiError(status, code, ""));
  assert.equal(of(503, "undecided"), "undecided");
  for (const code of ["being_decided", "database_away"]) assert.equal(of(503, code), "uncertain");
  assert.equal(of(0, "unreachable"), "uncertain");
  assert.equal(of(500, "failed"), "uncertain");
  assert.deepEqual([of(404, "unknown_alarm"), of(409, "rejected")], ["unknown", "rejected"]);
});

const CUT = { code: 1006 };

class FakeSocket {
  static readonly all: FakeSocket[] = [];
  onopen = (): void => undefined;
  onmessage = (_: { data: string }): void => undefined;
  onclose = (_: { code: number }): void => undefined;

  constructor() {
    FakeSocket.all.push(this);
  }

  send(): void {}
  close(): void {}

  hear(message: object): void {
    this.onmessage({ data: JSON.stringify(message) });
  }

  greet(number: number): void {
    this.onopen();
    this.hear({ type: "hello", now_at: "2025-07-01T00:00:00Z", rate: 1, cursor: { mine: number } });
  }
}

/** A centre whose only channel has one bound, and whose journal ends at a number. */
function pretendCentre(): { red: number; number: number; open: object[] } {
  pretendBrowser();
  const centre = { red: 3, number: 7, open: [] as object[] };
  const answers: Record<string, () => unknown> = {
    clock: () => ({ now_at: "2025-07-01T00:00:00Z", rate: 1 }),
    sites: () => [{ site: "mine" }],
    channels: () => [{ channel: "crack", limits: [{ levels: { red: centre.red } }] }],
    latest: () => [],
    alarms: () => ({ alarms: centre.open, cursor: { mine: centre.number } }),
  };
  const fetch = async (path: string) => {
    const name = path.split("?")[0]!.split("/").at(-1)!;
    return { ok: true, json: async () => answers[name]!() };
  };
  const listening = { addEventListener: () => undefined, removeEventListener: () => undefined };
  // Tries come at once, and what takes longer than a test never.
  const later = (run: () => void, ms: number) => (ms < 9000 ? Number(setTimeout(run, 0)) : 0);
  const window = { ...listening, location: { href: "http://centre.test/" }, setTimeout: later };
  Object.defineProperty(globalThis, "localStorage", {
    value: { getItem: () => null, setItem: () => undefined },
    configurable: true,
  });
  Object.assign(globalThis.document, listening);
  Object.assign(globalThis, { fetch, window, WebSocket: FakeSocket });
  return centre;
}

async function until(condition: () => boolean): Promise<void> {
  for (let looks = 0; looks < 200 && !condition(); looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(condition(), String(condition));
}

test("after a cut, limits are the centre's present ones, and another journal is begun anew", async () => {
  const centre = pretendCentre();
  const { begin } = await import("../src/session");
  const { alarms, channels } = await import("../src/store");
  const red = () => channels.value.get("crack")?.limits[0]?.bounds.get(4);
  await begin(null);
  FakeSocket.all[0]!.greet(7);
  const before = channels.value;

  FakeSocket.all[0]!.onclose(CUT);
  await until(() => FakeSocket.all.length === 2);
  FakeSocket.all[1]!.greet(7);
  FakeSocket.all[1]!.onclose(CUT);
  await until(() => FakeSocket.all.length === 3);
  assert.equal(channels.value, before);
  centre.red = 5;
  // A database that was restored, and has grown as far as our cursor, holds other alarms.
  const ours = { site: "mine", occurrence: "lost/limit_high/1", state: "unacknowledged", number: 8 };
  FakeSocket.all[2]!.greet(7);
  const seen = { number: 8, change: "raise" };
  FakeSocket.all[2]!.hear({ type: "alarm", cursor: { mine: 8 }, entry: seen, alarm: ours });
  await until(() => red() === 5);
  assert.deepEqual([...alarms.value.keys()], ["lost/limit_high/1"]);
  FakeSocket.all[2]!.onclose(CUT);
  await until(() => FakeSocket.all.length === 4);
  centre.number = 8;
  centre.open = [{ site: "mine", occurrence: "other/limit_high/1", state: "unacknowledged", number: 8 }];
  FakeSocket.all[3]!.greet(8);
  await until(() => [...alarms.value.keys()].join() === "other/limit_high/1");
  centre.open = [];

  FakeSocket.all[3]!.onclose(CUT);
  await until(() => FakeSocket.all.length === 5);
  centre.number = 1;
  FakeSocket.all[4]!.greet(1);
  await until(() => FakeSocket.all.length === 6);
  FakeSocket.all[5]!.greet(1);
  const alarm = { ...ours, occurrence: "crack/limit_high/1", number: 2 };
  const entry = { number: 2, change: "raise" };
  FakeSocket.all[5]!.hear({ type: "alarm", cursor: { mine: 2 }, entry, alarm });
  assert.deepEqual([...alarms.value.keys()], ["crack/limit_high/1"]);
});

test("tries are spread, double, and never wait longer than 15 s", () => {
  assert.equal(retryDelayMs(0, 1), 500);
  assert.equal(retryDelayMs(0, 0), 250);
  assert.equal(retryDelayMs(3, 1), 4000);
  assert.equal(retryDelayMs(30, 1), 15_000);
});

test("a certificate that ends soon is told with its date, tried codes with their number", async () => {
  pretendCentre();
  const { evidenceText, ruleText } = await import("../src/evidence");
  const ends = alarm({
    kind: "technical",
    rule: "certificate_ends",
    evidence: { ends_at: "2026-12-01T10:00:00+00:00", mark_days: 7, serial: "ab" },
  });
  assert.equal(ruleText(ends), "Certificate of the edge ends soon");
  assert.ok(/^ends .*2026/.test(evidenceText(ends, undefined) ?? ""));
  const tried = alarm({ rule: "enrolment_refused", evidence: { wrong_codes: 5, address: "10.0.0.7" } });
  assert.equal(evidenceText(tried, undefined), "5 wrong codes, last from 10.0.0.7");
});

test("events are read with what their detectors say, and rules of events have words", async () => {
  pretendCentre();
  const { attributesText, eventRuleText } = await import("../src/event_words");
  const page = eventPageOf({
    sources: [{ source: "network", kind: "seismic", name: null, structure: "mine" }],
    answers: [{ source: "network", rule: "b_value_72", answer: "too_few", figure: null }],
    events: [
      {
        event: "network/e1",
        source: "network",
        kind: "seismic",
        revision: 1,
        at: "2025-07-01T00:00:00Z",
        attributes: { magnitude: 1.5, energy_j: 123456, note: "near the face" },
      },
    ],
    cursor: null,
  });
  assert.equal(page.isAll, true);
  const [one] = page.events;
  assert.equal(one!.atMs, Date.parse("2025-07-01T00:00:00Z"));
  assert.ok(/1\.2e5.J, .*near the face/.test(attributesText(one!)));
  assert.ok(/15/.test(eventRuleText("event_rate_0.25") ?? ""));
  assert.equal(eventRuleText("rate_high_3600"), null);
  assert.deepEqual(eventPageOf(null).events, []);
});

test("the alarm of a detector of events says its figure and its bound", async () => {
  pretendCentre();
  const { evidenceText, ruleText } = await import("../src/evidence");
  const rate = alarm({
    rule: "event_rate_24",
    evidence: { method: "event_rate", figure: 6.321, figure_unit: "σ", bound: 5 },
  });
  assert.ok(/6\.32.σ ≥ 5.σ/.test(evidenceText(rate, undefined) ?? ""));
  assert.ok(!/event_rate/.test(ruleText(rate)));
  const b = alarm({
    rule: "b_value_72",
    evidence: { method: "b_value", direction: "low", figure: 0.71, figure_unit: "", bound: 0.8 },
  });
  assert.ok(/0\.710? ≤ 0\.8/.test(evidenceText(b, undefined) ?? ""));
});
