// Forecasts of failure as the page keeps them, and how they are loaded again and again.

import { useEffect, useState } from "preact/hooks";
import type { Freshness, Name } from "./model";
import { resumptions } from "./store";

export interface OtherMethods {
  readonly lineMs: number | null;
  readonly lineErrorH: number | null;
  readonly sloMs: number | null;
  readonly alphaTwoMs: number | null;
  readonly averagesFirstMs: number | null;
  readonly averagesLastMs: number | null;
}

/** What was answered when a channel was asked when it fails. */
export interface Forecast {
  readonly channel: string;
  readonly unit: string;
  readonly verdict: string;
  readonly accelerates: boolean;
  readonly sentence: Name;
  readonly freshness: Freshness;
  readonly askedMs: number; // 0: never.
  readonly failsMs: number | null; // The interval's ends are there where this is.
  readonly earliestMs: number | null;
  readonly latestMs: number | null;
  readonly level: number; // Of the interval, from 0 to 1.
  readonly rSquared: number | null;
  readonly rates: number | null;
  readonly evidence: number | null;
  readonly alpha: number | null;
  readonly onsetMs: number | null;
  readonly velocity: number | null; // Unit per hour.
  readonly velocityRatio: number | null;
  readonly tangentDeg: number | null;
  readonly others: OtherMethods;
}

/** One point of the inverse-velocity plot. */
export interface Rate {
  readonly atMs: number;
  readonly inverse: number | null; // Hours per unit.
  readonly usable: boolean; // It stands out from the noise.
}

/** What was answered at one instant. */
export interface Move {
  readonly askedMs: number;
  readonly failsMs: number | null;
  readonly earliestMs: number | null;
  readonly latestMs: number | null;
}

/** The newest answer about a channel, its plot, and the answers before it. */
export interface ForecastDetail {
  readonly channel: string;
  readonly unit: string;
  readonly newest: Forecast | null;
  readonly rates: readonly Rate[];
  readonly slope: number | null; // Of the inverse velocity, per hour.
  readonly intercept: number | null; // When it was asked.
  readonly moves: readonly Move[];
}

export interface Loaded<T> {
  readonly value: T | null;
  readonly failed: boolean; // The newest try; the value may be of an earlier one.
}

/** A forecast changes at the end of a bin, which nobody announces: it is asked for now and then. */
const AGAIN_MS = 15_000;

/** Load something while a view is shown, again and again; another key is another thing. */
export function useReloaded<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const nothing = { key, value: null as T | null, failed: false };
  const [held, hold] = useState(nothing);
  const resumed = resumptions.value;
  useEffect(() => {
    let ended = false;
    let timer: number | undefined;
    const run = async (): Promise<void> => {
      const value = await load().catch(() => null);
      if (ended) return;
      hold((known) => {
        const before = known.key === key ? known.value : null;
        // What says the same stays the same thing: its plots are not drawn anew.
        const isSame = JSON.stringify(before) === JSON.stringify(value);
        return { key, value: isSame ? before : (value ?? before), failed: value === null };
      });
      timer = window.setTimeout(() => void run(), AGAIN_MS);
    };
    void run();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [key, resumed]);
  return held.key === key ? held : nothing;
}

/** Three kinds of answers: with a time, accelerating without one, and the rest. */
export function sorted(all: readonly Forecast[]): [Forecast[], Forecast[], Forecast[]] {
  return [
    all.filter((one) => one.failsMs !== null),
    all.filter((one) => one.failsMs === null && one.accelerates),
    all.filter((one) => one.failsMs === null && !one.accelerates),
  ];
}
