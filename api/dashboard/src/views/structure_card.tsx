// One structure on the overview: its worst level, its freshness, the channels nearest to trouble.

import { useMemo } from "preact/hooks";
import { rate } from "../clock";
import { KindIcon, LevelShape } from "../icons";
import type { Channel, Structure } from "../model";
import { structureLink } from "../route";
import { Sparkline } from "../chart/sparkline";
import { unitText, valueText } from "../format";
import {
  alarmsOf,
  channelsOf,
  latestOfChannel,
  levelByChannel,
  mostConcerning,
  summaryOf,
} from "../store";
import { channelName, inWords, say } from "../words";
import { doubtOf, FreshnessLine, StructureLevel } from "./marks";

const KEY_CHANNELS = 5;

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
      <KeyChannels structure={key} channels={channels} />
    </article>
  );
}

function KeyChannels({ structure, channels }: { structure: string; channels: readonly Channel[] }) {
  const levels = levelByChannel.value;
  // Chosen anew when a level changes, not at every reading: rows must not jump under a finger.
  const chosen = useMemo(
    () => mostConcerning(channels).slice(0, KEY_CHANNELS),
    [levels, channels.length, channels[0]?.channel],
  );
  const spanS = rate.value === 1 ? 86_400 : 3_600;
  return (
    <ul class="key-channels">
      {chosen.map((channel) => (
        <li key={channel.channel}>
          <a href={structureLink(structure, channel.channel)}>
            <span class="name" title={channelName(channel)}>
              {channelName(channel)}
            </span>
            <Sparkline
              channel={channel}
              spanS={spanS}
              level={levels.get(channel.channel) ?? 0}
            />
            <KeyValue channel={channel} />
          </a>
        </li>
      ))}
    </ul>
  );
}

function KeyValue({ channel }: { channel: Channel }) {
  const row = latestOfChannel(channel.channel).value;
  const level = levelByChannel.value.get(channel.channel) ?? 0;
  const doubt = doubtOf(channel, row);
  if (doubt) {
    return (
      <span class="value doubtful" title={doubt}>
        {doubt}
      </span>
    );
  }
  return (
    <span class={`value${channel.states ? " named" : ""}`}>
      {level > 0 && <LevelShape level={level} />}
      {valueText(channel, row?.value ?? null)} <small>{unitText(channel.unit)}</small>
    </span>
  );
}
