// What the slow rules of one channel say now, each with its bounds and its source.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as api from "../api";
import { trendText } from "../evidence";
import { boundText, instantText, numberText, spanText, withUnit } from "../format";
import { LevelShape } from "../icons";
import { type Channel, COLOURED, LEVEL_KEYS, type Trend } from "../model";
import { site } from "../store";
import { say } from "../words";

const AGAIN_MS = 5_000;
const SIGNIFICANT = 0.001; // Of a figure's bound; more digits say nothing.

export function TrendList({ channel }: { channel: Channel }) {
  const trends = useSignal<readonly Trend[] | "failed">([]);
  useEffect(() => {
    let ended = false;
    const load = () =>
      api.trends(site.value?.site ?? "", channel.channel).then(
        (found) => {
          if (!ended) trends.value = found;
        },
        () => {
          if (!ended) trends.value = "failed";
        },
      );
    void load();
    const timer = setInterval(() => void load(), AGAIN_MS);
    return () => {
      ended = true;
      clearInterval(timer);
    };
  }, [channel]);
  const words = say();
  if (trends.value === "failed") return <p class="empty panel">{words.trendPanel.failed}</p>;
  if (trends.value.length === 0) return null;
  return (
    <div class="panel limits" data-testid="trends">
      <h3>{words.trendPanel.title}</h3>
      {trends.value.map((trend) => (
        <TrendTable key={trend.rule} trend={trend} />
      ))}
    </div>
  );
}

function TrendTable({ trend }: { trend: Trend }) {
  const words = say();
  const sign = trend.direction === "high" ? "≥" : "≤";
  return (
    <div class="limit" data-rule={trend.rule}>
      <h4>{trendText(trend.method, trend.windowS, trend.direction === "low")}</h4>
      {trend.figure === null ? (
        <p class="warming">{words.trendPanel.unknown}</p>
      ) : (
        <p>
          {trend.level > 0 && <LevelShape level={trend.level} />}{" "}
          <b data-testid="trend-figure">
            {withUnit(numberText(trend.figure, stepOf(trend)), trend.unit)}
          </b>{" "}
          {trend.askedMs !== null && words.trendPanel.asOf(instantText(trend.askedMs))}
        </p>
      )}
      <ul class="bounds">
        {COLOURED.filter((level) => trend.bounds.has(level)).map((level) => (
          <li key={level}>
            <LevelShape level={level} />
            {words.levels[LEVEL_KEYS[level]]} {sign}{" "}
            <b>{withUnit(boundText(trend.bounds.get(level)!), trend.unit)}</b>
          </li>
        ))}
      </ul>
      <p>
        {words.trendPanel.bins(spanText(trend.binS))} · {words.alarms.source(trend.source)}
      </p>
    </div>
  );
}

/** A figure gets the digits that its bounds deserve. */
function stepOf(trend: Trend): number | null {
  const [bound] = [...trend.bounds.values()].filter((one) => one !== 0);
  return bound === undefined ? null : Math.abs(bound) * SIGNIFICANT;
}
