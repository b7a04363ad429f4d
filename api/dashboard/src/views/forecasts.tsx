// Forecasts of failure: which channels have a time, which accelerate without one, and the rest.

import * as api from "../api";
import { nowMs } from "../clock";
import { momentText, spanText } from "../format";
import { type Forecast, type Loaded, sorted, useReloaded } from "../forecasts";
import { forecastLink } from "../route";
import { channels, siteKey, structureOf } from "../store";
import { channelName, inWords, say } from "../words";
import { ForecastPanel } from "./forecast_panel";

export function ForecastsView({ channel }: { channel: string | null }) {
  const words = say().forecasts;
  const site = siteKey.value ?? "";
  const loaded = useReloaded(site, () => api.forecasts(site));
  const all = loaded.value;
  const chosen = channel ?? all?.[0]?.channel ?? null;
  return (
    <main class="structure forecasts" id="content" data-testid="forecasts-view">
      <header class="structure-head">
        <h1>{words.title}</h1>
        <Troubles loaded={loaded} />
      </header>
      {all === null && !loaded.failed && <p class="empty panel">{words.loading}</p>}
      {all?.length === 0 && (
        <p class="empty panel" data-testid="no-forecasts">
          {words.empty}
        </p>
      )}
      <div class="structure-body">
        {all !== null && all.length > 0 && <Lists all={all} chosen={chosen} />}
        <section class="detail">
          {chosen && <ForecastPanel key={`${site}/${chosen}`} site={site} channel={chosen} />}
        </section>
      </div>
    </main>
  );
}

/** Says that what is shown may be old, because the centre could not be asked again. */
export function Troubles({ loaded }: { loaded: Loaded<unknown> }) {
  if (!loaded.failed) return null;
  return (
    <p class="problem" role="status" data-testid="forecasts-failed">
      {say().forecasts.failed}
    </p>
  );
}

function Lists({ all, chosen }: { all: readonly Forecast[]; chosen: string | null }) {
  const words = say().forecasts;
  const [given, accelerating, rest] = sorted(all);
  return (
    <section class="channels" aria-label={words.title}>
      <List title={words.withTime} of={given} chosen={chosen} empty={words.noneWithTime} />
      {accelerating.length > 0 && (
        <List title={words.accelerating} of={accelerating} chosen={chosen} />
      )}
      {rest.length > 0 && <List title={words.others} of={rest} chosen={chosen} />}
    </section>
  );
}

function List({
  title,
  of,
  chosen,
  empty = "",
}: {
  title: string;
  of: readonly Forecast[];
  chosen: string | null;
  empty?: string;
}) {
  return (
    <div class="panel forecast-list">
      <h2>{title}</h2>
      {of.length === 0 && <p class="none">{empty}</p>}
      <ul>
        {of.map((one) => (
          <Row key={one.channel} forecast={one} isChosen={one.channel === chosen} />
        ))}
      </ul>
    </div>
  );
}

function Row({ forecast, isChosen }: { forecast: Forecast; isChosen: boolean }) {
  const channel = channels.value.get(forecast.channel);
  const structure = structureOf(channel?.structure ?? null);
  const isStale = forecast.freshness !== "fresh";
  return (
    <li
      class={isStale ? "stale" : ""}
      data-testid="forecast-row"
      data-channel={forecast.channel}
      data-verdict={forecast.verdict}
      data-freshness={forecast.freshness}
    >
      <a href={forecastLink(forecast.channel)} aria-current={isChosen ? "true" : undefined}>
        <span class="name">{channel ? channelName(channel) : forecast.channel}</span>
        <TimeLeft forecast={forecast} />
        <span class="where">{structure && inWords(structure.name)}</span>
        {forecast.failsMs === null || isStale ? (
          <span class="why">{inWords(forecast.sentence)}</span>
        ) : (
          <span class="why">{intervalText(forecast)}</span>
        )}
      </a>
    </li>
  );
}

/** How long until the expected failure, or that the answer is too old to say so. */
export function TimeLeft({ forecast }: { forecast: Forecast }) {
  const words = say().forecasts;
  if (forecast.freshness === "stale") return <b class="tag">{words.stale}</b>;
  if (forecast.freshness !== "fresh") return <b class="tag">{say().levels.unknown}</b>;
  if (forecast.failsMs === null) return null;
  const leftS = (forecast.failsMs - nowMs.value) / 1000;
  return (
    <b class="left" data-testid="time-left">
      {leftS > 0 ? words.left(spanText(leftS)) : words.passed(spanText(-leftS))}
    </b>
  );
}

export function intervalText({ level, earliestMs, latestMs }: Forecast): string {
  if (earliestMs === null || latestMs === null) return "";
  const percent = String(Math.round(100 * level));
  return say().forecasts.interval(percent, momentText(earliestMs), momentText(latestMs));
}
