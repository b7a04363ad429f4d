// Small signs that every view uses: a level in colour, shape and word; a structure's freshness.

import { LevelShape, Picture } from "../icons";
import { isJudged } from "../key_channels";
import {
  type AlarmKind,
  type Channel,
  isBad,
  type Latest,
  type Level,
  LEVEL_KEYS,
} from "../model";
import { instantText } from "../format";
import { channels, isStale, latestOfChannel, line } from "../store";
import { qualityName, say } from "../words";

/** A level's word on its colour; a fault of the system leaves the full colour to the ground. */
export function LevelBadge({
  level,
  hollow = false,
  kind = "process",
}: {
  level: Level;
  hollow?: boolean;
  kind?: AlarmKind;
}) {
  return (
    <span
      class={`badge level-${level} ${kind}${hollow ? " hollow" : ""}`}
      data-level={LEVEL_KEYS[level]}
    >
      <LevelShape level={level} hollow={hollow} />
      {say().levels[LEVEL_KEYS[level]]}
    </span>
  );
}

/** A level that stands, beside a name or a value: a shape to see, a word to hear. */
export function LevelSign({ level }: { level: Level }) {
  if (level === 0) return null;
  return (
    <>
      <LevelShape level={level} />
      <span class="unseen">{say().levels[LEVEL_KEYS[level]]} </span>
    </>
  );
}

/** A structure's worst level; without current data of what is judged "normal" would be a guess. */
export function StructureLevel({
  level,
  channels,
}: {
  level: Level;
  channels: readonly Channel[];
}) {
  const words = say().levels;
  if (level > 0) return <LevelBadge level={level} />;
  const judged = channels.filter(isJudged);
  const known = line.value.state === "reconnecting" ? 0 : judged.filter(isKnown).length;
  if (known === 0) return <UnknownBadge>{words.unknown}</UnknownBadge>;
  if (known < judged.length) return <UnknownBadge>{words.partlyUnknown}</UnknownBadge>;
  return <LevelBadge level={0} />;
}

/** A channel's level, if it is judged at all and has a value that can be. */
export function ChannelLevel({ channel, level }: { channel: Channel; level: Level }) {
  if (level > 0) return <LevelBadge level={level} />;
  if (!isJudged(channel)) return null;
  const known = line.value.state !== "reconnecting" && isKnown(channel);
  return known ? <LevelBadge level={0} /> : <UnknownBadge>{say().levels.unknown}</UnknownBadge>;
}

/** A level of votes; while no vote is current, what nobody votes on is unknown. */
export function VotedLevel({ structure, level }: { structure: string; level: Level | null }) {
  if (level !== null && level > 0) return <LevelBadge level={level} />;
  const channel = channels.value.get(structure);
  const row = latestOfChannel(structure).value;
  const isCurrent = line.value.state !== "reconnecting" && channel && row && !isStale(row, channel);
  if (level === null || !isCurrent) return <UnknownBadge>{say().levels.unknown}</UnknownBadge>;
  return <LevelBadge level={0} />;
}

function UnknownBadge({ children }: { children: string }) {
  return (
    <span class="badge unknown" data-level="unknown">
      {children}
    </span>
  );
}

/** Whether a channel has a good and recent value. */
function isKnown(channel: Channel): boolean {
  const row = latestOfChannel(channel.channel).value;
  return row !== null && !isStale(row, channel) && !isBad(row);
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
  let good = 0;
  for (const channel of channels) {
    const row = latestOfChannel(channel.channel).value;
    if (!row || row.sampledMs === null) continue;
    measured += 1;
    if (isKnown(channel)) good += 1;
  }
  const stale = channels.length - good;
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
