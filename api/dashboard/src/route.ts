// Where the operator is: kept in the address's fragment, so that a reload or a link returns there.

import { computed, signal } from "@preact/signals";

export type Route =
  | { readonly view: "overview" }
  | { readonly view: "alarms" }
  | { readonly view: "structure"; readonly structure: string; readonly channel: string | null };

const fragment = signal(window.location.hash);
window.addEventListener("hashchange", () => {
  fragment.value = window.location.hash;
});

export const route = computed(() => routeOf(fragment.value));

export function routeOf(hash: string): Route {
  const [view, structure, channel] = hash
    .replace(/^#\/?/, "")
    .split("/")
    .map(decoded);
  if (view === "alarms") return { view };
  if (view === "structures" && structure) {
    return { view: "structure", structure, channel: channel || null };
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

export function structureLink(structure: string, channel?: string | null): string {
  const link = `#/structures/${encodeURIComponent(structure)}`;
  return channel ? `${link}/${encodeURIComponent(channel)}` : link;
}
