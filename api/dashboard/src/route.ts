// Where the operator is: kept in the address's fragment, so that a reload or a link returns there.

import { computed, signal } from "@preact/signals";

export type Route =
  | { readonly view: "overview" }
  | { readonly view: "alarms" }
  | { readonly view: "forecasts"; readonly channel: string | null }
  | { readonly view: "backtests" }
  | { readonly view: "ledger" }
  | { readonly view: "structure"; readonly structure: string; readonly channel: string | null };

const fragment = signal(window.location.hash);
window.addEventListener("hashchange", () => {
  fragment.value = window.location.hash;
});

export const route = computed(() => routeOf(fragment.value));

export function routeOf(hash: string): Route {
  const [view, first, second] = hash
    .replace(/^#\/?/, "")
    .split("/")
    .map(decoded);
  if (view === "alarms" || view === "backtests" || view === "ledger") return { view };
  if (view === "forecasts") return { view, channel: first || null };
  if (view === "structures" && first) {
    return { view: "structure", structure: first, channel: second || null };
  }
  return { view: "overview" };
}

/** A part that is no encoding of anything stands for itself, and names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const OVERVIEW = "#/";
export const ALARMS = "#/alarms";
export const FORECASTS = "#/forecasts";

export const forecastLink = (channel: string): string =>
  `${FORECASTS}/${encodeURIComponent(channel)}`;
export const BACK_TESTS = "#/backtests";
export const LEDGER = "#/ledger";

export function structureLink(structure: string, channel?: string | null): string {
  const link = `#/structures/${encodeURIComponent(structure)}`;
  return channel ? `${link}/${encodeURIComponent(channel)}` : link;
}
