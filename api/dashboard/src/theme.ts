// Dark or light: as the operator chose, else as the machine prefers; dark where it has no wish.

import { computed, effect, signal } from "@preact/signals";

export type Theme = "dark" | "light";

const KEPT_AS = "groundwatch.theme";
const preference = window.matchMedia("(prefers-color-scheme: light)");

const chosen = signal<Theme | null>(localStorage.getItem(KEPT_AS) as Theme | null);
const preferred = signal<Theme>(preference.matches ? "light" : "dark");
preference.addEventListener("change", (event) => {
  preferred.value = event.matches ? "light" : "dark";
});

export const theme = computed<Theme>(() => chosen.value ?? preferred.value);

export function switchTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEPT_AS, chosen.value);
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

/** A colour of the theme in force, for what is drawn and not styled. */
export function colour(name: string): string {
  void theme.value;
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
