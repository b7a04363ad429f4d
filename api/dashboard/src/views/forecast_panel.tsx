// Everything about one channel's forecast: the answer, its plots, what it rests on.

import * as api from "../api";
import { momentText, numberText, spanText, unitText } from "../format";
import { type Forecast, type ForecastDetail, useReloaded } from "../forecasts";
import { paceHours } from "../chart/forecast_series";
import { structureLink } from "../route";
import { channels } from "../store";
import { channelName, inWords, say } from "../words";
import { InverseVelocity, Moves } from "./forecast_plots";
import { intervalText, TimeLeft, Troubles } from "./forecasts";

export function ForecastPanel({ site, channel: key }: { site: string; channel: string }) {
  const words = say().forecasts;
  const loaded = useReloaded(`${site}/${key}`, () => api.forecastDetail(site, key));
  const channel = channels.value.get(key);
  if (!channel) return <p class="empty panel">{words.notFound}</p>;
  const detail = loaded.value;
  return (
    <div class="channel-panel forecast" data-testid="forecast-panel" data-channel={key}>
      <div class="panel">
        <header>
          <h2>{channelName(channel)}</h2>
          <a class="button" href={structureLink(channel.structure, key)}>
            {words.toChannel}
          </a>
        </header>
        <Troubles loaded={loaded} />
        {detail === null && !loaded.failed && <p class="empty">{words.loading}</p>}
        {detail !== null && detail.newest === null && <p class="empty">{words.never}</p>}
        {detail?.newest && <Answer forecast={detail.newest} />}
      </div>
      {detail?.newest && <Plots detail={detail} newest={detail.newest} />}
    </div>
  );
}

function Answer({ forecast }: { forecast: Forecast }) {
  const words = say().forecasts;
  const isStale = forecast.freshness !== "fresh";
  return (
    <div class={`answer${isStale ? " stale" : ""}`}>
      {forecast.failsMs !== null && (
        <p class="now">
          <b data-testid="fails-at">{momentText(forecast.failsMs)}</b> <TimeLeft forecast={forecast} />
          <span class="interval" data-testid="interval">
            {intervalText(forecast)}
          </span>
        </p>
      )}
      {forecast.failsMs === null && isStale && <TimeLeft forecast={forecast} />}
      <p class="sentence" data-testid="forecast-sentence">
        {inWords(forecast.sentence)}
      </p>
      <p class="as-of">{words.askedAt(momentText(forecast.askedMs))}</p>
    </div>
  );
}

function Plots({ detail, newest }: { detail: ForecastDetail; newest: Forecast }) {
  // What was expected once is shown also when it no longer is: that it broke off says something.
  const hasMoved = newest.accelerates || detail.moves.some((move) => move.failsMs !== null);
  return (
    <>
      {detail.rates.length > 0 && <InverseVelocity detail={detail} newest={newest} />}
      {hasMoved && <Moves moves={detail.moves} level={newest.level} />}
      {detail.rates.length > 0 && <Facts forecast={newest} />}
    </>
  );
}

/** What the answer rests on, and what other methods make of the same. */
function Facts({ forecast }: { forecast: Forecast }) {
  const words = say().forecasts;
  const pace = paceHours(forecast.velocity);
  const speed = forecast.velocity === null ? null : round(forecast.velocity * pace);
  const { others } = forecast;
  const error = others.lineErrorH === null ? "" : ` ± ${spanText(others.lineErrorH * 3600)}`;
  const moment = (ms: number | null): string => (ms === null ? "—" : momentText(ms));
  const facts: [string, string][] = [
    [words.facts.onset, moment(forecast.onsetMs)],
    [
      words.facts.velocity,
      `${numberText(speed)} ${unitText(forecast.unit)}/${pace === 1 ? words.hour : words.day}`,
    ],
    [words.facts.ratio, times(forecast.velocityRatio)],
    [words.facts.tangent, degrees(forecast.tangentDeg)],
    [words.facts.rSquared, numberText(forecast.rSquared, 0.01)],
    [words.facts.rates, numberText(forecast.rates)],
    [words.facts.alpha, numberText(forecast.alpha, 0.01)],
    [words.facts.evidence, numberText(forecast.evidence, 0.1)],
  ];
  const methods: [string, string][] = [
    [words.methods.line, moment(others.lineMs) + (others.lineMs === null ? "" : error)],
    [words.methods.slo, moment(others.sloMs)],
    [words.methods.alphaTwo, moment(others.alphaTwoMs)],
    [
      words.methods.averages,
      others.averagesFirstMs === null
        ? "—"
        : `${moment(others.averagesFirstMs)} – ${moment(others.averagesLastMs)}`,
    ],
  ];
  return (
    <div class="panel facts-of-forecast">
      <h3>{words.facts.title}</h3>
      <Pairs of={facts} />
      <h3>{words.methods.title}</h3>
      <p class="as-of">{words.methods.explanation}</p>
      <Pairs of={methods} />
    </div>
  );
}

function Pairs({ of }: { of: readonly [string, string][] }) {
  return (
    <dl>
      {of.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Three digits: a velocity is known no better. */
const round = (value: number): number => Number(value.toPrecision(3));
const times = (ratio: number | null): string =>
  ratio === null ? "—" : `${numberText(round(ratio))} ×`;
const degrees = (angle: number | null): string =>
  angle === null ? "—" : `${numberText(angle, 0.1)}°`;
