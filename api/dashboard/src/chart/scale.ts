// How high a chart is: the data readable, and the limits that matter in sight. Pure.

export interface Bound {
  readonly value: number;
  readonly direction: "high" | "low";
}

/** The data keep at least this part of the height, however far the next limit is. */
const DATA_PART_MIN = 1 / 5;

/**
 * Choose the range of the vertical axis.
 *
 * The worst bound that is violated is always in sight, so that one sees by how much. Other bounds
 * are included from the nearest outwards, as long as the data keep their part of the height;
 * `all` includes every one.
 */
export function verticalRange(
  extent: readonly [number, number] | null,
  bounds: readonly Bound[],
  resolution: number | null,
  all: boolean,
): [number, number] {
  const values = bounds.map((bound) => bound.value);
  if (extent === null) {
    if (values.length === 0) return [0, 1];
    return padded(Math.min(...values), Math.max(...values));
  }
  let [low, high] = extent;
  // Noise of the last digit must not fill the chart.
  const leastSpan = Math.max((resolution ?? 0) * 20, Math.abs(high + low) * 5e-4, 1e-9);
  if (high - low < leastSpan) {
    const middle = (high + low) / 2;
    low = middle - leastSpan / 2;
    high = middle + leastSpan / 2;
  }
  const [dataLow, dataHigh] = [low, high];
  const violated = worstViolated(bounds, dataLow, dataHigh);
  for (const at of violated) {
    low = Math.min(low, at);
    high = Math.max(high, at);
  }
  const longest = (dataHigh - dataLow) / DATA_PART_MIN;
  const distance = (at: number): number => Math.max(at - dataHigh, dataLow - at, 0);
  for (const at of values.sort((a, b) => distance(a) - distance(b))) {
    const widened = Math.max(high, at) - Math.min(low, at);
    if (!all && widened > longest) break;
    low = Math.min(low, at);
    high = Math.max(high, at);
  }
  return padded(low, high);
}

function worstViolated(bounds: readonly Bound[], low: number, high: number): number[] {
  const of = (direction: string): number[] =>
    bounds.filter((bound) => bound.direction === direction).map((bound) => bound.value);
  const above = of("high").filter((value) => value <= high);
  const below = of("low").filter((value) => value >= low);
  return [
    ...(above.length > 0 ? [Math.max(...above)] : []),
    ...(below.length > 0 ? [Math.min(...below)] : []),
  ];
}

/** Leave air above and below, ending on round numbers so that the axis does not tremble. */
function padded(low: number, high: number): [number, number] {
  const span = high - low || Math.abs(high) || 1;
  const step = roundStep(span / 12);
  const air = span * 0.06;
  // What is never negative gets no room below zero.
  const bottom = low >= 0 ? Math.max(0, low - air) : low - air;
  return [Math.floor(bottom / step) * step, Math.ceil((high + air) / step) * step];
}

function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const digit = step / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}
