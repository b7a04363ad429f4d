// From the API's JSON to the page's types; with `reading_forecasts.ts` the only place that knows its spelling.

import type {
  Alarm,
  AlarmKind,
  AlarmState,
  BackTest,
  BackTestState,
  Channel,
  Cursor,
  Freshness,
  History,
  Instrument,
  Latest,
  Level,
  Limit,
  Name,
  Named,
  NamedState,
  Site,
  Structure,
  StructureKind,
  Trend,
} from "./model";
import { BACK_TEST_FILES, LEVEL_KEYS } from "./model";

export type Json = Record<string, unknown>;

export const asJson = (value: unknown): Json => (value ?? {}) as Json;
export const asList = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);
export const asText = (value: unknown): string => (value == null ? "" : String(value));
export const asTextOrNull = (value: unknown): string | null => (value == null ? null : String(value));
export const asNumberOrNull = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
export const asNumber = (value: unknown): number => asNumberOrNull(value) ?? 0;

/** A level comes as a number in readings and as a word in alarms. */
export function levelOf(value: unknown): Level {
  if (typeof value === "number") return Math.max(0, Math.min(4, Math.round(value))) as Level;
  return Math.max(0, LEVEL_KEYS.indexOf(value as never)) as Level;
}

export function nameOf(value: unknown): Name | null {
  if (typeof value === "string") return { en: value, zh: value };
  if (value == null) return null;
  const { en, zh } = value as Json;
  return { en: asText(en ?? zh), zh: asText(zh ?? en) };
}

export function instantMs(value: unknown): number | null {
  if (value == null) return null;
  const at = typeof value === "number" ? value / 1000 : Date.parse(String(value));
  return Number.isNaN(at) ? null : at;
}

export function siteOf(value: unknown): Site {
  const json = asJson(value);
  const site = asText(json.site);
  return {
    site,
    name: nameOf(json.name) ?? { en: site, zh: site },
    timeZone: asText(json.time_zone) || "UTC",
    worstLevel: levelOf(json.worst_level),
    unacknowledged: asNumber(json.unacknowledged),
    structures: asList(json.structures).map(structureOf),
  };
}

function structureOf(json: Json): Structure {
  const structure = asText(json.structure);
  return {
    structure,
    kind: json.kind as StructureKind,
    name: nameOf(json.name) ?? { en: structure, zh: structure },
  };
}

export function channelOf(value: unknown): Channel {
  const json = asJson(value);
  const range = Array.isArray(json.range) ? (json.range as number[]) : null;
  return {
    channel: asText(json.channel),
    name: nameOf(json.name),
    quantity: asText(json.quantity),
    quantityName: nameOf(json.quantity_name),
    unit: asText(json.unit),
    structure: asText(json.structure),
    station: namedOf(json.station, json.station_name),
    group: asText(json.group),
    instrument: instrumentOf(json.instrument),
    periodS: asNumber(json.period_s) || 60,
    calculated: json.calculated === true,
    resolution: asNumberOrNull(json.resolution),
    range: range && range.length === 2 ? [range[0]!, range[1]!] : null,
    limits: asList(json.limits).map(limitOf),
    rateLimits: asList(json.rate_limits).map(limitOf),
    charts: asList(json.charts).map(limitOf),
    states: statesOf(json.states),
  };
}

/** A station or instrument comes as an id with a name beside it, or as an object of its own. */
function namedOf(value: unknown, name: unknown): Named {
  if (typeof value === "object" && value !== null) {
    const json = value as Json;
    const key = json.id ?? json.station ?? json.instrument ?? json.key;
    return { id: asText(key), name: nameOf(json.name) };
  }
  return { id: asText(value), name: nameOf(name) };
}

function instrumentOf(value: unknown): Instrument | null {
  if (value == null) return null;
  const json = typeof value === "object" ? (value as Json) : {};
  return {
    ...namedOf(value, null),
    type: asTextOrNull(json.type),
    serial: asTextOrNull(json.serial),
  };
}

function boundsOf(value: unknown): ReadonlyMap<Level, number> {
  const bounds = new Map<Level, number>();
  for (const [key, bound] of Object.entries(asJson(value))) {
    if (typeof bound === "number") bounds.set(levelOf(key), bound);
  }
  return bounds;
}

export function trendOf(value: unknown): Trend {
  const json = asJson(value);
  return {
    rule: asText(json.rule),
    method: asText(json.method),
    direction: json.direction === "low" ? "low" : "high",
    bounds: boundsOf(json.levels),
    unit: asText(json.unit),
    windowS: asNumberOrNull(json.window_s),
    binS: asNumber(json.bin_s),
    source: asText(json.source),
    askedMs: instantMs(json.asked_at),
    figure: asNumberOrNull(json.figure),
    level: levelOf(json.level),
  };
}

function limitOf(json: Json): Limit {
  return {
    rule: asText(json.rule),
    direction: json.direction === "low" ? "low" : "high",
    bounds: boundsOf(json.levels),
    deadband: asNumber(json.deadband),
    onDelayS: asNumber(json.on_delay_s),
    offDelayS: asNumber(json.off_delay_s),
    source: asText(json.source),
    windowS: asNumberOrNull(json.window_s),
    method: asTextOrNull(json.method),
    confirm: confirmOf(json.confirm),
  };
}

function confirmOf(value: unknown): Limit["confirm"] {
  if (value == null) return null;
  const json = asJson(value);
  return { atLeast: asNumber(json.at_least), ofLast: asNumber(json.of_last) };
}

function statesOf(value: unknown): ReadonlyMap<number, NamedState> | null {
  if (value == null) return null;
  const states = new Map<number, NamedState>();
  for (const [number, state] of Object.entries(asJson(value))) {
    const json = asJson(state);
    const name = nameOf(json.name) ?? { en: number, zh: number };
    states.set(Number(number), { name, level: levelOf(json.level) });
  }
  return states;
}

export function latestOf(value: unknown): Latest {
  const json = asJson(value);
  return {
    channel: asText(json.channel),
    sampledMs: instantMs(json.sampled_at),
    value: asNumberOrNull(json.value),
    raw: asNumberOrNull(json.raw),
    quality: asNumber(json.quality),
    qualityReason: asText(json.quality_reason) || "good",
    freshness: (json.freshness as Freshness | undefined) ?? "unknown",
    level: levelOf(json.level),
    warmingUp: Array.isArray(json.warming_up) ? json.warming_up.map(asText) : [],
  };
}

export function alarmOf(value: unknown): Alarm {
  const json = asJson(value);
  const raisedMs = instantMs(json.raised_at) ?? 0;
  const cleared = instantMs(json.cleared_at);
  return {
    site: asText(json.site),
    occurrence: asText(json.occurrence),
    kind: json.kind as AlarmKind,
    structure: asTextOrNull(json.structure),
    channel: asText(json.channel),
    channelName: nameOf(json.channel_name),
    rule: asText(json.rule),
    state: json.state as AlarmState,
    level: levelOf(json.level),
    worstLevel: levelOf(json.worst_level),
    raisedMs,
    changedMs: instantMs(json.changed_at) ?? raisedMs,
    clearedMs: cleared,
    acknowledgedMs: instantMs(json.acknowledged_at),
    acknowledgedBy: asTextOrNull(json.acknowledged_by),
    comment: asTextOrNull(json.comment),
    evidence: asJson(json.evidence),
    number: asNumber(json.number),
    sounded: asList(json.sounded).map((one) => ({
      sounder: asText(one.sounder),
      isOn: one.what === "on",
      atMs: instantMs(one.at) ?? 0,
    })),
  };
}

export interface AlarmPage {
  readonly alarms: Alarm[];
  readonly notShown: number; // As many fit as well, and were left out.
  readonly cursor: Cursor;
}

export function alarmsOf(value: unknown): AlarmPage {
  const json = asJson(value);
  const alarms = asList(json.alarms).map(alarmOf);
  const notShown = Math.max(0, asNumber(json.total) - alarms.length);
  return { alarms, notShown, cursor: asJson(json.cursor) as Cursor };
}

export function historyOf(value: unknown): History {
  const json = asJson(value);
  return {
    timeS: ((json.time_us as number[] | undefined) ?? []).map((us) => us / 1e6),
    value: (json.value as (number | null)[] | undefined) ?? [],
    quality: (json.quality as number[] | undefined) ?? [],
  };
}

export const listOf = <T>(value: unknown, read: (one: unknown) => T): T[] =>
  asList(value).map(read);

export function backTestOf(value: unknown): BackTest {
  const json = asJson(value);
  const files = Array.isArray(json.files) ? (json.files as unknown[]) : [];
  return {
    id: asNumber(json.id),
    state: asText(json.state) as BackTestState,
    askedMs: instantMs(json.asked_at) ?? 0,
    askedBy: asText(json.asked_by),
    fromMs: instantMs(json.from) ?? 0,
    toMs: instantMs(json.to) ?? 0,
    files: BACK_TEST_FILES.filter((one) => files.includes(one)),
    doing: asTextOrNull(json.doing),
    progress: asNumber(json.progress),
    reason: asTextOrNull(json.reason),
    hasPage: json.has_page === true,
  };
}
