// How near a value is to its limits: one number that orders channels and places a pointer.

import type { Channel, Level, Limit } from "./model";

/** Where the first bound stands on the scale from 0 (far away) to 1 (beyond the last bound). */
export const FIRST_BOUND_AT = 0.45;

export interface Step {
  readonly level: Level;
  readonly from: number; // On the scale from 0 to 1.
  readonly to: number;
}

interface Bound {
  readonly level: Level;
  readonly at: number; // Signed so that larger is worse.
}

function boundsOf(limit: Limit): Bound[] {
  const sign = limit.direction === "high" ? 1 : -1;
  return [...limit.bounds]
    .map(([level, bound]) => ({ level, at: sign * bound }))
    .sort((a, b) => a.level - b.level);
}

/** The stretch of the scale that each level takes: equal parts beyond the first bound. */
export function stepsOf(limit: Limit): Step[] {
  const bounds = boundsOf(limit);
  const part = (1 - FIRST_BOUND_AT) / bounds.length;
  return bounds.map(({ level }, n) => ({
    level,
    from: FIRST_BOUND_AT + n * part,
    to: FIRST_BOUND_AT + (n + 1) * part,
  }));
}

/** Where a value stands on the scale; 0 when it is far from the limit, 1 when far beyond. */
export function nearness(limit: Limit, value: number): number {
  const bounds = boundsOf(limit);
  if (bounds.length === 0) return 0;
  const at = limit.direction === "high" ? value : -value;
  const first = bounds[0]!.at;
  const last = bounds.at(-1)!.at;
  const width = (last - first) / Math.max(1, bounds.length - 1) || Math.abs(first) * 0.1 || 1;
  // Bounds may be powers of ten apart: zero is far from a limit all the same.
  const approach = Math.min(3 * width, Math.abs(first) || Infinity);
  const part = (1 - FIRST_BOUND_AT) / bounds.length;
  if (at < first) {
    return Math.max(0, FIRST_BOUND_AT * (1 - (first - at) / approach));
  }
  const beyond = bounds.findLastIndex((bound) => at >= bound.at);
  const from = bounds[beyond]!.at;
  const to = bounds[beyond + 1]?.at ?? from + width;
  return Math.min(1, FIRST_BOUND_AT + part * (beyond + Math.min(1, (at - from) / (to - from))));
}

/** The limit that a value is nearest to. */
export function nearestLimit(channel: Channel, value: number): Limit | null {
  let nearest: Limit | null = null;
  let most = -1;
  for (const limit of channel.limits) {
    const near = nearness(limit, value);
    if (limit.bounds.size > 0 && near > most) {
      most = near;
      nearest = limit;
    }
  }
  return nearest;
}

/** How near a channel is to trouble, for choosing the few that a card shows. */
export function concern(channel: Channel, value: number | null, level: Level): number {
  if (value === null) return level;
  const limit = nearestLimit(channel, value);
  return level + (limit ? nearness(limit, value) : 0);
}
