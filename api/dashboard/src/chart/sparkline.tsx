// A line without axes: how a channel has moved over the last hours, beside its value.

import { useEffect, useMemo } from "preact/hooks";
import { nowMs } from "../clock";
import type { Channel, Level } from "../model";
import { LiveSeries } from "./live_series";
import { verticalRange } from "./scale";
import { extentOf, type Series } from "./series";

const WIDTH = 96;
const HEIGHT = 26;

export function Sparkline({
  channel,
  spanS,
  level,
}: {
  channel: Channel;
  spanS: number;
  level: Level;
}) {
  const live = useMemo(() => new LiveSeries(channel, spanS, 120), [channel, spanS]);
  useEffect(() => () => live.end(), [live]);
  void live.version.value;
  const toS = nowMs.peek() / 1000;
  return (
    <svg
      class={`sparkline level-${level}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <path d={pathOf(live.series, channel, toS - spanS, toS)} />
    </svg>
  );
}

function pathOf(series: Series, channel: Channel, fromS: number, toS: number): string {
  const extent = extentOf(series, fromS, toS);
  if (!extent) return "";
  const [low, high] = verticalRange(extent, [], channel.resolution, false);
  let path = "";
  let penDown = false;
  series.timeS.forEach((timeS, n) => {
    const value = series.value[n];
    if (value == null || timeS < fromS) {
      penDown = false;
      return;
    }
    const x = Math.min(WIDTH, ((timeS - fromS) / (toS - fromS)) * WIDTH);
    const y = HEIGHT - ((value - low) / (high - low)) * HEIGHT;
    path += `${penDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    penDown = true;
  });
  return path;
}
