// One structure on the overview: its worst level, its freshness, the channels nearest to trouble.

import { useMemo } from "preact/hooks";
import { nowMs, rate, usualSpanS } from "../clock";
import { KindIcon } from "../icons";
import { keyChannels } from "../key_channels";
import type { Channel, Structure } from "../model";
import { structureLink } from "../route";
import { Sparkline } from "../chart/sparkline";
import { unitText, valueText } from "../format";
import {
  alarmsOf,
  channelsOf,
  latestOfChannel,
  levelByChannel,
  summaryOf,
  weighed,
} from "../store";
import { channelName, inWords, say } from "../words";
import { doubtOf, FreshnessLine, LevelSign, StructureLevel } from "./marks";
import { VoteLine } from "./votes";

const KEY_CHANNELS = 5;
const CHOOSE_AGAIN_MS = 600_000;

export function StructureCard({ structure }: { structure: Structure }) {
  const words = say();
  const key = structure.structure;
  const summary = summaryOf(alarmsOf(key));
  const channels = channelsOf(key);
  const waits = summary.unacknowledged > 0;
  return (
    <article
      class={`card panel level-${summary.worst}${waits ? " waiting" : ""}`}
      data-testid="structure-card"
      data-structure={key}
      data-level={summary.worst}
    >
      <header>
        <KindIcon kind={structure.kind} />
        <h2>
          <a class="stretched" href={structureLink(key)}>
            {inWords(structure.name)}
          </a>
          <small>{words.kinds[structure.kind]}</small>
        </h2>
        <StructureLevel level={summary.worst} channels={channels} />
      </header>
      <p class="facts">
        <FreshnessLine channels={channels} />
        {summary.active > 0 && <span>{words.overview.active(summary.active)}</span>}
        {summary.technical > 0 && <span>{words.overview.technical(summary.technical)}</span>}
        {waits && (
          <span class="count" data-testid="card-unacknowledged">
            {words.overview.unacknowledged(summary.unacknowledged)}
          </span>
        )}
      </p>
      <VoteLine structure={key} />
      <KeyChannels structure={structure} channels={channels} />
    </article>
  );
}

function KeyChannels({
  structure,
  channels,
}: {
  structure: Structure;
  channels: readonly Channel[];
}) {
  const levels = levelByChannel.value;
  // Chosen anew when a level changes, or seldom: rows must not jump under a finger.
  const chosen = useMemo(
    () => keyChannels(structure.kind, weighed(channels), KEY_CHANNELS),
    [
      levels,
      channels.length,
      channels[0]?.channel,
      Math.floor(nowMs.value / rate.value / CHOOSE_AGAIN_MS),
    ],
  );
  const spanS = usualSpanS.value;
  return (
    <ul class="key-channels">
      {chosen.map((channel) => (
        <KeyChannel key={channel.channel} channel={channel} spanS={spanS} />
      ))}
    </ul>
  );
}

/** A name, a line and a number; words, of a state or of a doubt, take the place of the line. */
function KeyChannel({ channel, spanS }: { channel: Channel; spanS: number }) {
  const row = latestOfChannel(channel.channel).value;
  const level = levelByChannel.value.get(channel.channel) ?? 0;
  const doubt = doubtOf(channel, row);
  const isInWords = doubt !== null || channel.states !== null;
  const text = doubt ?? valueText(channel, row?.value ?? null);
  const unit = isInWords ? "" : unitText(channel.unit);
  return (
    <li class={isInWords ? "in-words" : undefined}>
      <a href={structureLink(channel.structure, channel.channel)}>
        <span class="name" title={channelName(channel)}>
          {channelName(channel)}
        </span>
        {!isInWords && <Sparkline channel={channel} spanS={spanS} level={level} />}
        <span class={`value${doubt ? " doubtful" : ""}`} title={isInWords ? text : undefined}>
          <LevelSign level={level} />
          <span class="text">{text}</span>
          {unit && <small>{unit}</small>}
        </span>
      </a>
    </li>
  );
}
