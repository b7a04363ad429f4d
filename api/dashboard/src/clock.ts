// The centre's clock, which in a demonstration runs faster than ours.
//
// Between two words from the centre the page lets the clock run on by itself, on the browser's
// monotonic clock: a wrong wall clock on an operator's machine must not change any age shown.

import { computed, signal } from "@preact/signals";

interface Anchor {
  readonly clockMs: number;
  readonly monotonicMs: number;
}

let anchor: Anchor = { clockMs: Date.now(), monotonicMs: performance.now() };

/** Clock seconds per real second. */
export const rate = signal(1);

/** What the centre's clock shows; renewed by a timer, for whatever displays an age. */
export const nowMs = signal(anchor.clockMs);

/** How far back one looks unless asked: a day; in a demonstration what has been measured so far. */
export const usualSpanS = computed(() =>
  rate.value === 1 ? 86_400 : rate.value >= 30 ? 3_600 : 900,
);

export function readNowMs(): number {
  return anchor.clockMs + (performance.now() - anchor.monotonicMs) * rate.peek();
}

export function setClock(clockMs: number, newRate: number): void {
  anchor = { clockMs, monotonicMs: performance.now() };
  rate.value = newRate;
  nowMs.value = clockMs;
}

/** Follow a word from the centre; small differences are only the line's own delay. */
export function followClock(clockMs: number): void {
  const aheadMs = clockMs - readNowMs();
  if (Math.abs(aheadMs) > 250 * rate.value) setClock(clockMs, rate.value);
}

/** Renew what is shown every second; in a fast demonstration more often, or it would lag behind. */
export function startTicking(): void {
  nowMs.value = readNowMs();
  window.setTimeout(startTicking, Math.max(200, 1000 / rate.peek()));
}
