// The plots of a forecast with their titles and legends; what a picture says stands in words too.

import type uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";
import { ASKED_DASH, inversePlot, movesPlot } from "../chart/forecast_plots";
import { inverseSeries, movesSeries, paceHours } from "../chart/forecast_series";
import { momentText, unitText } from "../format";
import type { Forecast, ForecastDetail, Move } from "../forecasts";
import { site } from "../store";
import { theme } from "../theme";
import { language, say } from "../words";

type Draw = (host: HTMLElement, timeZone: string) => uPlot;

/** A host for a plot that is drawn anew with other data, colours, words or widths. */
function Drawn({
  draw,
  of,
  label,
  testId,
  count,
}: {
  draw: Draw;
  of: unknown;
  label: string;
  testId: string;
  count: number;
}) {
  const host = useRef<HTMLDivElement>(null);
  const timeZone = site.value?.timeZone ?? "UTC";
  useEffect(() => {
    const place = host.current;
    if (!place) return undefined;
    let plot: uPlot | null = null;
    // Told of its size at once, too; what is narrower has fewer marks.
    const watcher = new ResizeObserver(() => {
      plot?.destroy();
      plot = place.clientWidth > 0 ? draw(place, timeZone) : null;
    });
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      plot?.destroy();
    };
  }, [of, timeZone, theme.value, language.value]);
  return (
    <div ref={host} class="plot" role="img" aria-label={label} data-testid={testId} data-count={count} />
  );
}

export function InverseVelocity({ detail, newest }: { detail: ForecastDetail; newest: Forecast }) {
  const words = say().forecasts.inverse;
  const pace = paceHours(newest.velocity);
  const series = inverseSeries(detail, pace);
  if (series === null) return null;
  const { earliestMs, latestMs, failsMs } = newest;
  const hasTime = earliestMs !== null && latestMs !== null && failsMs !== null;
  const solid: readonly number[] = [];
  const picture = {
    series,
    interval: hasTime ? ([earliestMs / 1000, latestMs / 1000] as const) : null,
    marks: [
      { atS: newest.askedMs / 1000, dash: ASKED_DASH },
      ...(hasTime ? [{ atS: failsMs / 1000, dash: solid }] : []),
    ],
  };
  const time = pace === 1 ? say().forecasts.hour : say().forecasts.day;
  const usable = detail.rates.filter((rate) => rate.usable).length;
  return (
    <figure class="panel chart">
      <h3>{words.title}</h3>
      <p class="axis-name">{words.axis(`${time}/${unitText(newest.unit)}`)}</p>
      <Drawn
        draw={(host, timeZone) => inversePlot(host, picture, timeZone)}
        of={detail}
        label={words.label(usable, failsMs === null ? null : momentText(failsMs))}
        testId="inverse-velocity"
        count={usable}
      />
      <ul class="legend">
        <Key of="point">{words.rates}</Key>
        {series.noise.some((one) => one !== null) && <Key of="hollow">{words.noise}</Key>}
        <Key of="dashed">{words.line}</Key>
        <Key of="dotted">{words.asked}</Key>
        {hasTime && <Key of="solid">{words.fails}</Key>}
        {hasTime && <Key of="band">{words.band(String(Math.round(100 * newest.level)))}</Key>}
      </ul>
    </figure>
  );
}

export function Moves({ moves, level }: { moves: readonly Move[]; level: number }) {
  const words = say().forecasts.moves;
  const series = movesSeries(moves);
  const given = moves.filter((move) => move.failsMs !== null).length;
  return (
    <figure class="panel chart">
      <h3>{words.title}</h3>
      {series === null ? (
        <p class="as-of" data-testid="no-moves">
          {words.none}
        </p>
      ) : (
        <>
          <Drawn
            draw={(host, timeZone) => movesPlot(host, series, timeZone)}
            of={moves}
            label={words.label(given)}
            testId="forecast-moves"
            count={given}
          />
          <ul class="legend">
            <Key of="line">{words.fails}</Key>
            <Key of="band">{words.band(String(Math.round(100 * level)))}</Key>
            <Key of="dotted">{words.present}</Key>
          </ul>
          <p class="as-of">{words.explanation}</p>
        </>
      )}
    </figure>
  );
}

function Key({ of, children }: { of: string; children: string }) {
  return (
    <li>
      <span class={`key ${of}`} aria-hidden="true" />
      {children}
    </li>
  );
}
