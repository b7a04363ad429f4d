// What the page knows at the moment, as signals that the views follow.

import { batch, computed, type Signal, signal } from "@preact/signals";
import { nowMs, rate } from "./clock";
import type { Weighed } from "./key_channels";
import type { AlarmEntry } from "./live";
import { concern } from "./nearness";
import {
  type Alarm,
  type Channel,
  type Cursor,
  isBad,
  type Latest,
  type Level,
  type Site,
  type Structure,
} from "./model";
import { isVote, type Vote } from "./votes";

/** The newest vote of each structure that votes. */
export const votes = signal<ReadonlyMap<string, Vote>>(new Map());

export type Session = "unknown" | "signed_in" | "signed_out";
export type LineState = "connecting" | "connected" | "reconnecting";

export const session = signal<Session>("unknown");
export const line = signal<{ state: LineState; sinceMs: number }>({
  state: "connecting",
  sinceMs: 0,
});

export const sites = signal<readonly Site[]>([]);
export const siteKey = signal<string | null>(null);
export const site = computed(() => sites.value.find((one) => one.site === siteKey.value) ?? null);

export const channels = signal<ReadonlyMap<string, Channel>>(new Map());
/** Alarms that somebody still has to look at: everything but normal. */
export const alarms = signal<ReadonlyMap<string, Alarm>>(new Map());
/** So many more were open when the alarms were loaded: too many to list, and less urgent. */
export const alarmsNotShown = signal(0);
export const isLoaded = signal(false);

/** The alarm that was raised or rose last, for the screen reader and a short highlight. */
export const newestRaised = signal<Alarm | null>(null);
/** Counts fresh beginnings of the live line; charts fetch again what they may have missed. */
export const resumptions = signal(0);

const latestByChannel = new Map<string, Signal<Latest | null>>();
const newestSampledMs = signal<number | null>(null);

/** Seconds since the newest reading of the site was sampled. */
export const dataAgeS = computed(() =>
  newestSampledMs.value === null ? null : Math.max(0, (nowMs.value - newestSampledMs.value) / 1000),
);

export function latestOfChannel(channel: string): Signal<Latest | null> {
  let known = latestByChannel.get(channel);
  if (!known) {
    known = signal<Latest | null>(null);
    latestByChannel.set(channel, known);
  }
  return known;
}

export function takeSite(
  taken: readonly Channel[],
  open: readonly Alarm[],
  notShown: number,
): void {
  batch(() => {
    channels.value = new Map(taken.map((one) => [one.channel, one]));
    alarms.value = new Map(open.map((one) => [one.occurrence, one]));
    alarmsNotShown.value = notShown;
    // The newest that is known may be of a database that has been restored to an older state.
    for (const known of latestByChannel.values()) known.value = null;
    newestSampledMs.value = null;
    isLoaded.value = true;
  });
}

/** Take the channels of a site file; charts are not drawn anew for one that says the same. */
export function takeChannels(taken: readonly Channel[]): void {
  const isSame = written([...channels.value.values()]) === written(taken);
  if (!isSame) channels.value = new Map(taken.map((one) => [one.channel, one]));
}

const written = (all: readonly Channel[]): string =>
  JSON.stringify(all, (_, value: unknown) => (value instanceof Map ? [...value] : value));

export function takeVotes(taken: readonly Vote[]): void {
  votes.value = new Map(taken.map((one) => [one.structure, one]));
}

/** Tell whether readings are of votes: then the centre knows more about these. */
export const hasVotes = (rows: readonly Latest[]): boolean =>
  rows.some((row) => {
    const channel = channels.value.get(row.channel);
    return channel !== undefined && isVote(channel);
  });

export function forgetSite(): void {
  batch(() => {
    votes.value = new Map();
    isLoaded.value = false;
    channels.value = new Map();
    alarms.value = new Map();
    alarmsNotShown.value = 0;
    newestSampledMs.value = null;
    for (const known of latestByChannel.values()) known.value = null;
  });
}

/** Take the open alarms as they stood at a journal's number; what is newer is kept. */
export function takeOpenAlarms(open: readonly Alarm[], notShown: number, upto: number): void {
  const newer = [...alarms.value.values()].filter((one) => one.number > upto);
  batch(() => {
    alarms.value = new Map([...open, ...newer].map((one) => [one.occurrence, one]));
    alarmsNotShown.value = notShown;
  });
}

/** Take newest readings; an older one than is known came late over the other way, and is dropped. */
export function takeLatest(rows: readonly Latest[]): void {
  batch(() => {
    let newest = newestSampledMs.value;
    for (const row of rows) {
      const known = latestOfChannel(row.channel);
      const knownMs = known.value?.sampledMs ?? null;
      if (knownMs !== null && (row.sampledMs === null || row.sampledMs < knownMs)) continue;
      known.value = row;
      if (row.sampledMs !== null) newest = Math.max(newest ?? 0, row.sampledMs);
    }
    newestSampledMs.value = newest;
  });
}

/** Take an alarm of the site as the centre knows it now, unless a newer state of it is known. */
export function takeAlarm(alarm: Alarm): void {
  if (alarm.site !== siteKey.value) return; // An answer may come after another site was chosen.
  const known = alarms.value.get(alarm.occurrence);
  if (known && known.number > alarm.number) return;
  const next = new Map(alarms.value);
  if (alarm.state === "normal") next.delete(alarm.occurrence);
  else next.set(alarm.occurrence, alarm);
  alarms.value = next;
}

export function takeEntry(entry: AlarmEntry): void {
  const { alarm, change } = entry;
  if (alarm === null) return;
  batch(() => {
    takeAlarm(alarm);
    const isRaised = change === "raise" || change === "rise";
    if (isRaised && alarm.state === "unacknowledged") newestRaised.value = alarm;
  });
}

/** Tell whether a journal's cursor stands before another: then the journal is a new one. */
export function isBehind(cursor: Cursor, known: Cursor, site: string): boolean {
  return (cursor[site] ?? 0) < (known[site] ?? 0);
}

/** Tell whether a reading is too old to be shown as the present. */
export function isStale(row: Latest, channel: Channel): boolean {
  if (row.freshness !== "fresh" || row.sampledMs === null) return true;
  // The centre says so itself while the line stands; this is for when nobody can say it.
  const longestS = Math.max(5 * channel.periodS, 20 * rate.value);
  return nowMs.value - row.sampledMs > longestS * 1000;
}

/** An alarm's violation still stands. */
export const isActive = (alarm: Alarm): boolean => alarm.clearedMs === null && alarm.level > 0;

/** Somebody has yet to take responsibility. */
export const isUnacknowledged = (alarm: Alarm): boolean =>
  alarm.state === "unacknowledged" || alarm.state === "returned_unacknowledged";

export interface Summary {
  readonly worst: Level; // Of the ground: active process alarms.
  readonly active: number;
  readonly unacknowledged: number;
  readonly technical: number;
  readonly byLevel: readonly number[]; // Active process alarms, by level.
}

export function summaryOf(of: Iterable<Alarm>): Summary {
  const byLevel = [0, 0, 0, 0, 0];
  let unacknowledged = 0;
  let technical = 0;
  for (const alarm of of) {
    if (isUnacknowledged(alarm)) unacknowledged += 1;
    if (!isActive(alarm)) continue;
    if (alarm.kind === "technical") technical += 1;
    else byLevel[alarm.level]! += 1;
  }
  const active = byLevel.reduce((sum, count) => sum + count, 0);
  const worst = Math.max(0, byLevel.findLastIndex((count) => count > 0)) as Level;
  return { worst, active, unacknowledged, technical, byLevel };
}

export const siteSummary = computed(() => summaryOf(alarms.value.values()));

/** Worst active process level by channel. */
export const levelByChannel = computed(() => {
  const levels = new Map<string, Level>();
  for (const alarm of alarms.value.values()) {
    if (alarm.kind !== "process" || !isActive(alarm)) continue;
    const known = levels.get(alarm.channel) ?? 0;
    if (alarm.level > known) levels.set(alarm.channel, alarm.level);
  }
  return levels;
});

/** What is measured or calculated at a structure; its votes are told apart from that. */
export const channelsOf = (structure: string): Channel[] =>
  [...channels.value.values()].filter((one) => one.structure === structure && !isVote(one));

export const alarmsOf = (structure: string): Alarm[] =>
  [...alarms.value.values()].filter((one) => one.structure === structure);

export const structureOf = (key: string | null): Structure | null =>
  site.value?.structures.find((one) => one.structure === key) ?? null;

/** How near each channel is to trouble; as of now, not followed. */
export function weighed(among: readonly Channel[]): Weighed[] {
  const levels = levelByChannel.peek();
  return among.map((channel) => {
    const row = latestOfChannel(channel.channel).peek();
    const value = row && !isBad(row) && !isStale(row, channel) ? row.value : null;
    return { channel, weight: concern(channel, value, levels.get(channel.channel) ?? 0) };
  });
}
