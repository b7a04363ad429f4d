// Small signs that every view uses: a level in colour, shape and word; a structure's freshness.

import { LevelShape, Picture } from "../icons";
import { type Channel, isBad, type Latest, type Level, LEVEL_KEYS } from "../model";
import { instantText } from "../format";
import { isStale, latestOfChannel, line } from "../store";
import { qualityName, say } from "../words";

export function LevelBadge({ level, hollow = false }: { level: Level; hollow?: boolean }) {
  return (
    <span class={`badge level-${level}${hollow ? " hollow" : ""}`} data-level={LEVEL_KEYS[level]}>
      <LevelShape level={level} hollow={hollow} />
      {say().levels[LEVEL_KEYS[level]]}
    </span>
  );
}

/** A structure's worst level; without any current data "normal" would be a guess. */
export function StructureLevel({
  level,
  channels,
}: {
  level: Level;
  channels: readonly Channel[];
}) {
  if (level > 0 || isAnyCurrent(channels)) return <LevelBadge level={level} />;
  return (
    <span class="badge unknown" data-level="unknown">
      {say().levels.unknown}
    </span>
  );
}

function isAnyCurrent(channels: readonly Channel[]): boolean {
  if (line.value.state === "reconnecting") return false;
  return channels.some((channel) => {
    const row = latestOfChannel(channel.channel).value;
    return row !== null && !isStale(row, channel) && !isBad(row);
  });
}

/** Whether a structure's channels have current data, in words. */
export function FreshnessLine({ channels }: { channels: readonly Channel[] }) {
  const words = say().freshness;
  const { state: lineState, sinceMs } = line.value;
  if (lineState === "reconnecting") {
    return (
      <span class="freshness stale" data-freshness="unknown">
        {words.asOf(instantText(sinceMs))}
      </span>
    );
  }
  let measured = 0;
  let stale = 0;
  for (const channel of channels) {
    const row = latestOfChannel(channel.channel).value;
    if (!row) continue;
    measured += 1;
    if (isStale(row, channel) || isBad(row)) stale += 1;
  }
  const state = measured === 0 ? "unknown" : stale > 0 ? "stale" : "fresh";
  const text =
    state === "fresh"
      ? words.fresh
      : state === "stale"
        ? words.stale(stale, channels.length)
        : words.unknown;
  return (
    <span class={`freshness ${state}`} data-freshness={state}>
      {text}
    </span>
  );
}

/** Why a reading must not be taken for the present value; null when it may. */
export function doubtOf(channel: Channel, row: Latest | null): string | null {
  const words = say();
  if (!row || row.sampledMs === null) return words.freshness.never;
  if (isStale(row, channel)) return words.freshness.unknownSince(instantText(row.sampledMs));
  return isBad(row) ? qualityName(row.qualityReason) : null;
}

export function TechnicalTag() {
  return (
    <span class="tag">
      <Picture of="wrench" size={13} />
      {say().alarms.technical}
    </span>
  );
}
