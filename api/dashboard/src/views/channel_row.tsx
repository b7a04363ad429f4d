// One channel of a structure: its name, how near it is to its limits, and its newest value.

import { type Channel, LEVEL_KEYS } from "../model";
import { type Step, nearestLimit, nearness, stepsOf } from "../nearness";
import { structureLink } from "../route";
import { unitText, valueText } from "../format";
import { latestOfChannel, levelByChannel } from "../store";
import { channelName } from "../words";
import { doubtOf, LevelSign } from "./marks";

const GAUGE_WIDTH = 84;

export function ChannelRow({ channel, isChosen }: { channel: Channel; isChosen: boolean }) {
  const row = latestOfChannel(channel.channel).value;
  const level = levelByChannel.value.get(channel.channel) ?? 0;
  const doubt = doubtOf(channel, row);
  return (
    <li
      class={`channel level-${level}${doubt ? " doubtful" : ""}`}
      data-testid="channel-row"
      data-channel={channel.channel}
      data-level={LEVEL_KEYS[level]}
      data-quality={row?.qualityReason ?? "unknown"}
    >
      <a
        href={structureLink(channel.structure, channel.channel)}
        aria-current={isChosen ? "true" : undefined}
      >
        <span class="name">
          <LevelSign level={level} />
          {channelName(channel)}
        </span>
        {doubt ? (
          <>
            <span class="why">{doubt}</span>
            <span class="value" data-testid="channel-value">
              —
            </span>
          </>
        ) : (
          <>
            <Gauge channel={channel} value={row?.value ?? null} />
            <span class="value" data-testid="channel-value">
              {valueText(channel, row?.value ?? null)}
            </span>
          </>
        )}
        <span class="unit">{unitText(channel.unit)}</span>
      </a>
    </li>
  );
}

/** A small scale with the levels' stretches on it, and a pointer where the value stands. */
function Gauge({ channel, value }: { channel: Channel; value: number | null }) {
  const limit = value === null ? null : nearestLimit(channel, value);
  if (value === null || !limit) return <span class="gauge" />;
  const at = nearness(limit, value) * GAUGE_WIDTH;
  return (
    <svg
      class="gauge"
      viewBox={`-4 0 ${GAUGE_WIDTH + 8} 14`}
      width={GAUGE_WIDTH + 8}
      height="14"
      aria-hidden="true"
    >
      <rect class="scale" x="0" y="5" width={GAUGE_WIDTH} height="4" />
      {stepsOf(limit).map((step: Step) => (
        <rect
          key={step.level}
          class={`step level-${step.level}`}
          x={step.from * GAUGE_WIDTH}
          y="5"
          width={Math.max(0, (step.to - step.from) * GAUGE_WIDTH - 1)}
          height="4"
        />
      ))}
      <path class="pointer" d={`M${at.toFixed(1)} 1v12`} />
    </svg>
  );
}
