// A site's day as the API counts it: what was taken, what is stored, what is missing.

export interface Gap {
  readonly edge: string;
  readonly stream: number;
  readonly first: number;
  readonly last: number;
  readonly isLost: boolean; // Declared lost; else missing until it comes.
  readonly reason: string;
}

export interface ChannelDay {
  readonly channel: string;
  readonly expected: number | null; // null: calculated
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
  readonly unread: number;
}

export interface Ledger {
  readonly day: string;
  readonly isOpen: boolean;
  readonly isWhole: boolean;
  readonly unheard: readonly string[];
  readonly taken: number;
  readonly stored: number;
  readonly missing: number;
  readonly lost: number;
  readonly inQuarantine: number;
  readonly gaps: readonly Gap[];
  readonly channels: readonly ChannelDay[];
}

type Json = Record<string, unknown>;

const listIn = (json: Json, key: string): Json[] => (Array.isArray(json[key]) ? json[key] : []);

export function ledgerOf(value: unknown): Ledger {
  const json = (value ?? {}) as Json;
  return {
    day: String(json.day),
    isOpen: json.open === true,
    isWhole: json.whole === true,
    unheard: Array.isArray(json.unheard_edges) ? json.unheard_edges.map(String) : [],
    taken: Number(json.taken),
    stored: Number(json.stored),
    missing: Number(json.missing),
    lost: Number(json.declared_lost),
    inQuarantine: Number(json.in_quarantine),
    gaps: listIn(json, "gaps").map((one) => ({
      edge: String(one.edge),
      stream: Number(one.stream_id),
      first: Number(one.first),
      last: Number(one.last),
      isLost: one.is_lost === true,
      reason: String(one.reason),
    })),
    channels: listIn(json, "channels").map((one) => ({
      channel: String(one.channel),
      expected: typeof one.expected === "number" ? one.expected : null,
      good: Number(one.good),
      uncertain: Number(one.uncertain),
      bad: Number(one.bad),
      unread: Number(one.unread),
    })),
  };
}
