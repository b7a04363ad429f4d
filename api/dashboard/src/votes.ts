// What the points of a structure vote for: two levels side by side, and what nobody knows.

import type { Alarm, Channel, Level } from "./model";
import { asJson, asList, asNumber, asText, asTextOrNull, instantMs, levelOf } from "./reading";

/** The quantity of what is voted: its channels stand in no list of instruments. */
export const VOTED = "voted_level";

export const isVote = (channel: Channel): boolean => channel.quantity === VOTED;

export type Verdict = "confirmed" | "alone" | "cannot_tell";
export type Doubt = "silent" | "bad" | "warming_up";

export interface Point {
  readonly channel: string;
  readonly level: Level;
  readonly doubt: Doubt | null; // Why nobody knows its level now: its last one was counted.
  readonly neighbours: {
    readonly verdict: Verdict;
    readonly reachedBy: number;
    readonly of: number;
  } | null;
}

export interface Item {
  readonly item: string;
  readonly voted: Level | null; // null: nobody knows.
  readonly highest: Level | null;
  readonly confirmed: Level | null;
  readonly points: number;
  readonly unknown: number;
  readonly telling: readonly Point[]; // Those that show a level, or that nobody knows.
}

export interface Ladder {
  readonly blueToYellow: number;
  readonly yellowToOrange: number;
  readonly orangeToRed: number;
  readonly source: string;
}

export interface Vote {
  readonly structure: string;
  readonly votedMs: number | null;
  readonly voted: Level | null;
  readonly highest: Level | null;
  readonly points: number;
  readonly unknown: number;
  readonly ladder: Ladder;
  readonly items: readonly Item[];
}

type Json = Record<string, unknown>;

const levelOrNull = (value: unknown): Level | null => (value == null ? null : levelOf(value));

export function voteOf(value: unknown): Vote {
  const json = asJson(value);
  const ladder = asJson(json.ladder);
  return {
    structure: asText(json.structure),
    votedMs: instantMs(json.voted_at),
    voted: levelOrNull(json.voted_level),
    highest: levelOrNull(json.highest_level),
    points: asNumber(json.points),
    unknown: asNumber(json.unknown),
    ladder: {
      blueToYellow: asNumber(ladder.blue_to_yellow),
      yellowToOrange: asNumber(ladder.yellow_to_orange),
      orangeToRed: asNumber(ladder.orange_to_red),
      source: asText(ladder.source),
    },
    items: asList(json.items).map(itemOf),
  };
}

function itemOf(json: Json): Item {
  return {
    item: asText(json.item),
    voted: levelOrNull(json.voted_level),
    highest: levelOrNull(json.highest_level),
    confirmed: levelOrNull(json.confirmed_level),
    points: asNumber(json.points),
    unknown: asNumber(json.unknown),
    telling: asList(json.telling).map(pointOf),
  };
}

function pointOf(json: Json): Point {
  const said = json.neighbours == null ? null : asJson(json.neighbours);
  return {
    channel: asText(json.channel),
    level: levelOf(json.level),
    doubt: asTextOrNull(json.doubt) as Doubt | null,
    neighbours: said && {
      verdict: asText(said.verdict) as Verdict,
      reachedBy: asNumber(said.reached_by),
      of: asNumber(said.of),
    },
  };
}

/** The points that somebody has to know about, the worst first. */
export function worstFirst(item: Item): Point[] {
  return [...item.telling].sort((a, b) => b.level - a.level || (a.channel < b.channel ? -1 : 1));
}

/** What the newest vote says of a channel's neighbours; null where nobody asks them. */
export function neighboursOf(votes: Iterable<Vote>, channel: string): Point["neighbours"] {
  for (const vote of votes) {
    for (const item of vote.items) {
      const point = item.telling.find((one) => one.channel === channel);
      if (point?.neighbours) return point.neighbours;
    }
  }
  return null;
}

/** How many of a vote's members had each level, from the evidence of its alarm. */
export function countsIn(alarm: Alarm): [Level, number][] {
  return Object.entries(asJson(alarm.evidence.counts))
    .map(([key, count]): [Level, number] => [levelOf(key), asNumber(count)])
    .sort(([a], [b]) => b - a);
}
