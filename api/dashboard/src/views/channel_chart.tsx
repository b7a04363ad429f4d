// The chart of one channel: time ranges, following the present, zooming, limits.

import { type Signal, signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { LiveSeries } from "../chart/live_series";
import { ChannelPlot, type Under } from "../chart/plot";
import { nowMs, readNowMs, usualSpanS } from "../clock";
import { instantText, unitText, valueText } from "../format";
import { Picture } from "../icons";
import type { Alarm, Channel, Level } from "../model";
import { alarms, site } from "../store";
import { theme } from "../theme";
import { channelName, language, say } from "../words";
import { levelShown, levelSinceMs } from "../alarm_list";

const HOUR_S = 3600;
const SPANS_S = [HOUR_S / 4, HOUR_S, 6 * HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S];
const SPAN_KEPT_AS = "groundwatch.span";
const LIMITS_KEPT_AS = "groundwatch.limits";
/** Two points a pixel column (its minimum and maximum) are all that a screen can show. */
const POINTS = 1600;

/** Seconds of the past that charts show; common to all, so that they can be compared. */
const spanS = signal(keptSpanS());

function keptSpanS(): number | null {
  const kept = Number(localStorage.getItem(SPAN_KEPT_AS));
  return SPANS_S.includes(kept) ? kept : null;
}

/** Whether limits far away from the data are to be in sight too. */
const allLimits = signal(localStorage.getItem(LIMITS_KEPT_AS) === "all");

const spanShownS = (): number => spanS.value ?? usualSpanS.value;

/** The stretch in seconds that is shown instead of the present. */
type Still = Signal<{ readonly fromS: number; readonly toS: number } | null>;

export function ChannelChart({ channel }: { channel: Channel }) {
  const words = say().chart;
  const live = useMemo(() => new LiveSeries(channel, spanShownS(), POINTS), [channel]);
  const still: Still = useSignal(null);
  const under = useSignal<Under | null>(null);
  useEffect(() => () => live.end(), [live]);
  useEffect(() => {
    const stretch = still.value;
    if (stretch === null) live.follow(spanShownS());
    else live.show({ fromMs: stretch.fromS * 1000, toMs: stretch.toS * 1000 });
  }, [live, still.value, spanShownS()]);

  const count = live.series.timeS.length;
  void live.version.value;
  return (
    <figure class="chart">
      <Toolbar still={still} hasLimits={channel.limits.length > 0} />
      <p class="readout" aria-live="off">
        {under.value ? (
          <>
            <time>{instantText(under.value.timeS * 1000)}</time>{" "}
            <b>
              {under.value.value === null ? words.gap : valueText(channel, under.value.value)}
            </b>{" "}
            {under.value.value === null ? "" : unitText(channel.unit)}
          </>
        ) : (
          <span class="hint">
            <span class="zoom-hint">{words.zoomHint}</span> {words.gaps}
          </span>
        )}
      </p>
      <Plot channel={channel} live={live} still={still} under={under} />
      <div class="chart-news" role="status">
        {live.loading.value === "loading" && count === 0 && words.loading}
        {live.loading.value === "ready" && count === 0 && words.empty}
        {live.loading.value === "failed" && (
          <>
            {words.failed}{" "}
            <button type="button" onClick={() => void live.load()}>
              {words.tryAgain}
            </button>
          </>
        )}
      </div>
    </figure>
  );
}

/** An alarm begins at some level, which is known only if it has had no other since. */
function marksOf(alarm: Alarm): { atS: number; level: Level }[] {
  const sinceMs = levelSinceMs(alarm);
  const isOneLevel = sinceMs === null && alarm.changedMs === alarm.raisedMs;
  const began = { atS: alarm.raisedMs / 1000, level: isOneLevel ? levelShown(alarm) : (0 as Level) };
  return sinceMs === null ? [began] : [began, { atS: sinceMs / 1000, level: alarm.level }];
}

function Plot({
  channel,
  live,
  still,
  under,
}: {
  channel: Channel;
  live: LiveSeries;
  still: Still;
  under: Signal<Under | null>;
}) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<ChannelPlot | null>(null);
  const timeZone = site.value?.timeZone ?? "UTC";
  const drawNow = (): void => {
    const toS = readNowMs() / 1000;
    const shown = still.peek() ?? { fromS: toS - spanShownS(), toS };
    plot.current?.draw(live.series, shown.fromS, shown.toS);
  };

  // Colours and words are drawn into the picture: another theme or language is another plot.
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new ChannelPlot({
      host: host.current,
      channel,
      timeZone,
      isNarrow: host.current.clientWidth < 520,
      allLimits: () => allLimits.peek(),
      alarmMarks: () =>
        [...alarms.peek().values()]
          .filter((alarm) => alarm.channel === channel.channel && alarm.kind === "process")
          .flatMap(marksOf),
      pointed: (at) => {
        under.value = at;
      },
      zoomed: (fromS, toS) => {
        still.value = { fromS, toS };
      },
      unzoomed: () => {
        still.value = null;
      },
    });
    plot.current = made;
    drawNow();
    const watcher = new ResizeObserver(() => made.resize());
    watcher.observe(host.current);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [channel, timeZone, theme.value, language.value]);

  useEffect(drawNow, [
    live.version.value,
    still.value,
    allLimits.value,
    spanShownS(),
    alarms.value,
    still.value === null ? nowMs.value : 0,
  ]);

  return (
    <div
      ref={host}
      class="plot"
      role="img"
      aria-label={say().chart.label(channelName(channel))}
      data-testid="chart"
      data-channel={channel.channel}
      data-points={live.series.timeS.length}
      data-newest={live.series.timeS.at(-1) ?? ""}
    />
  );
}

function spanName(seconds: number): string {
  const words = say().chart;
  if (seconds < HOUR_S) return say().spans.minutes(seconds / 60);
  return seconds <= 24 * HOUR_S
    ? words.hours(seconds / HOUR_S)
    : words.days(seconds / HOUR_S / 24);
}

function Toolbar({ still, hasLimits }: { still: Still; hasLimits: boolean }) {
  const words = say().chart;
  const isLive = still.value === null;
  const move = (by: number): void => {
    const toS = nowMs.peek() / 1000;
    const from = still.peek() ?? { fromS: toS - spanShownS(), toS };
    const width = from.toS - from.fromS;
    const end = from.toS + (by * width) / 2;
    still.value = end >= toS ? null : { fromS: end - width, toS: end };
  };
  const choose = (seconds: number): void => {
    spanS.value = seconds;
    localStorage.setItem(SPAN_KEPT_AS, String(seconds));
    still.value = null;
  };
  return (
    <div class="chart-tools" role="toolbar" aria-label={words.ranges}>
      <div class="segments">
        {SPANS_S.map((seconds) => (
          <button
            key={seconds}
            type="button"
            aria-pressed={seconds === spanShownS()}
            onClick={() => choose(seconds)}
            data-testid={`range-${seconds / HOUR_S}h`}
          >
            {spanName(seconds)}
          </button>
        ))}
      </div>
      <div class="segments">
        <button type="button" aria-label={words.earlier} onClick={() => move(-1)}>
          <Picture of="back" size={16} />
        </button>
        <button
          type="button"
          aria-pressed={isLive}
          onClick={() => {
            still.value = null;
          }}
          data-testid="follow-live"
        >
          {words.follow}
        </button>
        <button
          type="button"
          aria-label={words.later}
          disabled={isLive}
          onClick={() => move(1)}
        >
          <Picture of="forward" size={16} />
        </button>
      </div>
      {hasLimits && (
        <label class="switch">
          <input
            type="checkbox"
            checked={allLimits.value}
            onChange={(event) => {
              allLimits.value = event.currentTarget.checked;
              localStorage.setItem(LIMITS_KEPT_AS, allLimits.value ? "all" : "near");
            }}
          />
          {words.allLimits}
        </label>
      )}
    </div>
  );
}
