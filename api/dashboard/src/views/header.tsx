// What is always in sight: the site, its time, the connection, the data's age, the way to alarms.

import { nowMs, rate } from "../clock";
import { dateText, numberText, spanText, timeText, zoneText } from "../format";
import { Logo, Picture } from "../icons";
import { ALARMS, FORECASTS, OVERVIEW, route } from "../route";
import { chooseSite, leave } from "../session";
import { dataAgeS, line, site, siteKey, sites, siteSummary } from "../store";
import { switchTheme, theme } from "../theme";
import { inWords, say, switchLanguage } from "../words";

export function Header() {
  return (
    <header class="bar">
      <a class="brand" href={OVERVIEW}>
        <Logo />
        <span>Groundwatch</span>
      </a>
      <SiteName />
      <Navigation />
      <div class="bar-status">
        <SiteClock />
        <Connection />
      </div>
      <Tools />
    </header>
  );
}

function SiteName() {
  const words = say().navigation;
  if (sites.value.length < 2) {
    return <span class="site-name">{site.value ? inWords(site.value.name) : ""}</span>;
  }
  const elsewhere = sites.value
    .filter((one) => one.site !== siteKey.value)
    .reduce((sum, one) => sum + one.unacknowledged, 0);
  return (
    <span class="site-name">
      <select
        aria-label={words.chooseSite}
        value={siteKey.value ?? ""}
        onChange={(event) => void chooseSite(event.currentTarget.value)}
      >
        {sites.value.map((one) => (
          <option key={one.site} value={one.site}>
            {inWords(one.name)}
            {one.unacknowledged > 0 && one.site !== siteKey.value ? ` (${one.unacknowledged})` : ""}
          </option>
        ))}
      </select>
      {elsewhere > 0 && <span class="count">{words.elsewhere(elsewhere)}</span>}
    </span>
  );
}

function Navigation() {
  const words = say().navigation;
  const view = route.value.view;
  const isOverview = view === "overview" || view === "structure";
  const { unacknowledged } = siteSummary.value;
  return (
    <nav class="views" aria-label={words.label}>
      <a href={OVERVIEW} aria-current={isOverview ? "page" : undefined}>
        <Picture of="grid" size={18} />
        {words.overview}
      </a>
      <a href={ALARMS} aria-current={view === "alarms" ? "page" : undefined}>
        <Picture of="bell" size={18} />
        {words.alarms}
        {unacknowledged > 0 && (
          <span class="count" data-testid="unacknowledged-count">
            {unacknowledged}
          </span>
        )}
      </a>
      <a href={FORECASTS} aria-current={view === "forecasts" ? "page" : undefined}>
        <Picture of="forecast" size={18} />
        {words.forecasts}
      </a>
    </nav>
  );
}

function SiteClock() {
  const words = say().connection;
  const zone = zoneText(nowMs.value);
  return (
    <div class="clock" data-testid="clock">
      {rate.value !== 1 && (
        <span class="tag demonstration" data-testid="demonstration">
          <span class="wide">{words.demonstration(numberText(rate.value))}</span>
          <span class="narrow">{words.demonstrationShort(numberText(rate.value))}</span>
        </span>
      )}
      <time dateTime={new Date(nowMs.value).toISOString()} title={words.siteTime(zone)}>
        <b>{timeText(nowMs.value)}</b> <span class="date">{dateText(nowMs.value)}</span>{" "}
        <span class="zone">{zone}</span>
      </time>
    </div>
  );
}

function Connection() {
  const words = say().connection;
  const { state, sinceMs } = line.value;
  const age = dataAgeS.value;
  const text =
    state === "reconnecting" ? words.reconnecting(timeText(sinceMs)) : words[state];
  return (
    <div class={`connection ${state}`} data-testid="connection-state" data-state={state}>
      <span class="connection-line" role="status">
        <span class="lamp" aria-hidden="true" />
        {text}
      </span>
      <span class="data-age" data-testid="data-age">
        {age === null ? words.noData : words.dataAge(spanText(age))}
      </span>
    </div>
  );
}

function Tools() {
  const words = say();
  return (
    <div class="tools">
      <LookTools />
      <button
        type="button"
        class="quiet"
        title={words.navigation.signOut}
        aria-label={words.navigation.signOut}
        onClick={() => void leave()}
        data-testid="sign-out"
      >
        <Picture of="leave" />
      </button>
    </div>
  );
}

/** Language and colours, which everybody chooses for themselves, signed in or not. */
export function LookTools() {
  const words = say();
  const themeLabel =
    theme.value === "dark" ? words.navigation.toLight : words.navigation.toDark;
  return (
    <>
      <button
        type="button"
        class="quiet"
        title={words.otherLanguageLabel}
        aria-label={words.otherLanguageLabel}
        onClick={switchLanguage}
        data-testid="switch-language"
      >
        {words.otherLanguage}
      </button>
      <button
        type="button"
        class="quiet"
        title={themeLabel}
        aria-label={themeLabel}
        onClick={switchTheme}
        data-testid="switch-theme"
      >
        <Picture of={theme.value === "dark" ? "sun" : "moon"} />
      </button>
    </>
  );
}

/** Says across the whole page that what it shows may no longer be true. */
export function LostConnection() {
  const { state, sinceMs } = line.value;
  if (state !== "reconnecting") return null;
  return (
    <p class="lost" role="alert" data-testid="connection-lost">
      <Picture of="cut" />
      {say().connection.lost(timeText(sinceMs))}
    </p>
  );
}
