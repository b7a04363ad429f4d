// Discrete happenings, as the API tells of them.

import type { Name } from "./model";

export type EventKind = "seismic" | "blast" | "observation";

export interface EventSource {
  readonly source: string;
  readonly kind: EventKind;
  readonly name: Name | null;
  readonly structure: string;
}

/** What a detector of a source answered last; no figure where nothing could be said. */
export interface EventAnswer {
  readonly source: string;
  readonly rule: string;
  readonly answer: string;
  readonly figure: number | null;
}

export interface Happening {
  readonly event: string; // source/id
  readonly source: string;
  readonly kind: EventKind;
  readonly revision: number;
  readonly atMs: number;
  readonly attributes: ReadonlyMap<string, number | string>;
}

export interface EventPage {
  readonly sources: readonly EventSource[];
  readonly answers: readonly EventAnswer[];
  readonly events: readonly Happening[];
  readonly isAll: boolean;
}

type Json = Record<string, unknown>;

const listIn = (json: Json, key: string): Json[] => (Array.isArray(json[key]) ? json[key] : []);

export function eventPageOf(value: unknown): EventPage {
  const json = (value ?? {}) as Json;
  return {
    sources: listIn(json, "sources").map((one) => ({
      source: String(one.source),
      kind: one.kind as EventKind,
      name: (one.name as Name | null) ?? null,
      structure: String(one.structure),
    })),
    answers: listIn(json, "answers").map((one) => ({
      source: String(one.source),
      rule: String(one.rule),
      answer: String(one.answer),
      figure: typeof one.figure === "number" ? one.figure : null,
    })),
    events: listIn(json, "events").map(happeningOf),
    isAll: json.cursor == null,
  };
}

function happeningOf(json: Json): Happening {
  return {
    event: String(json.event),
    source: String(json.source),
    kind: json.kind as EventKind,
    revision: Number(json.revision ?? 0),
    atMs: Date.parse(String(json.at)),
    attributes: new Map(
      Object.entries((json.attributes ?? {}) as Record<string, number | string>),
    ),
  };
}

export const magnitudeOf = (one: Happening): number | null => {
  const said = one.attributes.get("magnitude");
  return typeof said === "number" ? said : null;
};
