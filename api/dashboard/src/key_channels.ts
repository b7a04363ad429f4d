// Which few channels of a structure its card shows: pure, so that the choice can be tested.

import type { Channel, StructureKind } from "./model";

export interface Weighed {
  readonly channel: Channel;
  readonly weight: number; // How near it is to trouble: see `concern`.
}

/** From a fifth of a step before its first bound on, a channel is shown whatever it measures. */
export const CONCERNING = 0.42;

/** So many alike say it all; the next row is for something else. */
const ALIKE_MAX = 3;

/** What one looks at first, by kind of structure; of quantities that stand for each other, one. */
const KEY_QUANTITIES: Record<StructureKind, readonly (readonly string[])[]> = {
  tailings_dam: [
    ["freeboard", "safety_freeboard"],
    ["pond_level", "water_level"],
    ["phreatic_depth", "phreatic_elevation", "pore_pressure"],
    ["rain_intensity", "rainfall"],
    ["seepage_flow", "weir_head"],
    ["dry_beach_length"],
    ["horizontal_displacement", "surface_displacement"],
  ],
  slope: [
    ["crack_opening"],
    ["horizontal_displacement", "surface_displacement", "los_displacement", "displacement"],
    ["displacement_rate", "los_velocity"],
    ["deep_displacement", "internal_displacement"],
    ["tilt"],
    ["groundwater_depth", "groundwater_level", "pore_pressure"],
    ["anchor_load"],
    ["rain_intensity", "rainfall"],
  ],
  underground: [
    ["borehole_stress", "stress", "support_load"],
    ["convergence", "roof_separation"],
    ["microseismic_energy"],
    ["microseismic_count", "acoustic_emission_count"],
    ["microseismic_magnitude"],
  ],
  ventilation: [
    ["running_state"],
    ["air_flow", "air_speed"],
    ["negative_pressure"],
    ["motor_current", "motor_power"],
    ["vibration_velocity"],
    ["bearing_temperature"],
  ],
};

/**
 * Choose what a card shows: the channels that near their limits, the worst first; then the
 * quantities by which such a structure is known, each by its most concerning channel; then the
 * others, by concern.
 */
export function keyChannels(
  kind: StructureKind,
  among: readonly Weighed[],
  count: number,
): Channel[] {
  const worstFirst = [...among].sort((a, b) => b.weight - a.weight);
  const chosen = new Set<Channel>();
  const take = (channel: Channel): void => {
    if (chosen.size < count) chosen.add(channel);
  };
  const alike = new Map<string, number>();
  for (const { channel, weight } of worstFirst) {
    const before = alike.get(channel.quantity) ?? 0;
    if (weight < CONCERNING || before === ALIKE_MAX) continue;
    alike.set(channel.quantity, before + 1);
    take(channel);
  }
  for (const quantities of KEY_QUANTITIES[kind] ?? []) {
    if ([...chosen].some((one) => quantities.includes(one.quantity))) continue;
    const known = quantities.find((one) => among.some(({ channel }) => channel.quantity === one));
    const first = worstFirst.find(({ channel }) => channel.quantity === known);
    if (first) take(first.channel);
  }
  for (const { channel } of worstFirst) {
    if (isJudged(channel)) take(channel);
  }
  return [...chosen];
}

/** Whether alarms can come from a channel's own readings. */
export const isJudged = (channel: Channel): boolean =>
  [channel.limits, channel.rateLimits, channel.charts].some((rules) => rules.length > 0) ||
  channel.states !== null;
