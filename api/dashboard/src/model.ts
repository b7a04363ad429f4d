// What the API says, as the page keeps it: the field's words, one type each.

export type Language = "en" | "zh";

export interface Name {
  readonly en: string;
  readonly zh: string;
}

/** The four colours and none, as numbers that compare. */
export type Level = 0 | 1 | 2 | 3 | 4;
export const LEVEL_KEYS = ["none", "blue", "yellow", "orange", "red"] as const;
export type LevelKey = (typeof LEVEL_KEYS)[number];
export const COLOURED: readonly Level[] = [1, 2, 3, 4];

export type StructureKind = "tailings_dam" | "slope" | "underground" | "ventilation";
export type Freshness = "fresh" | "stale" | "unknown";
export type AlarmKind = "process" | "technical";
export type AlarmState =
  | "unacknowledged"
  | "acknowledged"
  | "returned_unacknowledged"
  | "normal";

export interface Structure {
  readonly structure: string;
  readonly kind: StructureKind;
  readonly name: Name;
}

export interface Site {
  readonly site: string;
  readonly name: Name;
  readonly timeZone: string;
  readonly worstLevel: Level;
  readonly unacknowledged: number;
  readonly structures: readonly Structure[];
}

export interface Limit {
  readonly rule: string;
  readonly direction: "high" | "low";
  readonly bounds: ReadonlyMap<Level, number>;
  readonly deadband: number;
  readonly onDelayS: number;
  readonly offDelayS: number;
  readonly source: string;
  readonly windowS: number | null;
  readonly method: string | null; // Of a control chart, whose bounds are multiples of sigma.
  readonly confirm: { readonly atLeast: number; readonly ofLast: number } | null;
}

/** A slow rule, and what it says now. */
export interface Trend {
  readonly rule: string;
  readonly method: string;
  readonly direction: "high" | "low";
  readonly bounds: ReadonlyMap<Level, number>; // In `unit`, like the figure.
  readonly unit: string;
  readonly windowS: number | null;
  readonly binS: number;
  readonly source: string;
  readonly askedMs: number | null;
  readonly figure: number | null; // null: too little is known.
  readonly level: Level;
}

export interface NamedState {
  readonly name: Name;
  readonly level: Level;
}

/** A thing that may have a name of its own; its id serves where it has none. */
export interface Named {
  readonly id: string;
  readonly name: Name | null;
}

export interface Instrument extends Named {
  readonly type: string | null;
  readonly serial: string | null;
}

export interface Channel {
  readonly channel: string;
  readonly name: Name | null;
  readonly quantity: string;
  readonly quantityName: Name | null;
  readonly unit: string;
  readonly structure: string;
  readonly station: Named;
  readonly group: string;
  readonly instrument: Instrument | null;
  readonly periodS: number;
  readonly calculated: boolean;
  readonly resolution: number | null;
  readonly range: readonly [number, number] | null;
  readonly limits: readonly Limit[];
  readonly rateLimits: readonly Limit[];
  readonly charts: readonly Limit[];
  readonly states: ReadonlyMap<number, NamedState> | null;
}

/** The newest reading of a channel. */
export interface Latest {
  readonly channel: string;
  readonly sampledMs: number | null;
  readonly value: number | null;
  readonly raw: number | null;
  readonly quality: number;
  readonly qualityReason: string;
  readonly freshness: Freshness;
  readonly level: Level;
  readonly warmingUp: readonly string[]; // Kinds of its rules that can't judge yet.
}

export type Evidence = Readonly<Record<string, unknown>>;

/** What an edge did with a sounder because of an alarm, by itself. */
export interface LocalSounding {
  readonly sounder: string;
  readonly isOn: boolean;
  readonly atMs: number;
}

export interface Alarm {
  readonly site: string;
  readonly occurrence: string;
  readonly kind: AlarmKind;
  readonly structure: string | null;
  readonly channel: string;
  readonly channelName: Name | null;
  readonly rule: string;
  readonly state: AlarmState;
  readonly level: Level; // 0 once it has cleared.
  readonly worstLevel: Level;
  readonly raisedMs: number;
  readonly changedMs: number;
  readonly clearedMs: number | null;
  readonly acknowledgedMs: number | null;
  readonly acknowledgedBy: string | null;
  readonly comment: string | null;
  readonly evidence: Evidence;
  readonly number: number; // Of its newest journal entry.
  readonly sounded: readonly LocalSounding[];
}

export type Change = "raise" | "rise" | "fall" | "clear" | "acknowledge";

export interface History {
  readonly timeS: number[];
  readonly value: (number | null)[];
  readonly quality: number[];
}

/** The journal number up to which a site's alarms are known, by site. */
export type Cursor = Readonly<Record<string, number>>;

/** Readings from this quality on are bad: nothing may be concluded from them. */
export const FIRST_BAD = 100;

export function isBad(row: Latest): boolean {
  return row.value === null || row.quality >= FIRST_BAD;
}

export const BACK_TEST_STATES = ["queued", "running", "finished", "failed", "cancelled"] as const;
export type BackTestState = (typeof BACK_TEST_STATES)[number];
export const BACK_TEST_FILES = ["site_file", "against", "events"] as const;
export type BackTestFile = (typeof BACK_TEST_FILES)[number];

/** A test of limits over stored history. */
export interface BackTest {
  readonly id: number;
  readonly state: BackTestState;
  readonly askedMs: number; // Real time.
  readonly askedBy: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly files: readonly BackTestFile[];
  readonly doing: string | null;
  readonly progress: number; // 0 to 1, of what is being done.
  readonly reason: string | null; // Why it failed.
  readonly hasPage: boolean;
}
