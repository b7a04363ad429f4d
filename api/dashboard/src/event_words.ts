// Events and the rules of their detectors, in words.

import type { Happening } from "./events";
import { numberText, withUnit } from "./format";
import { say, spelled } from "./words";

/** What an event says of itself, but for its magnitude: "energy 2.5e3 J". */
export function attributesText(one: Happening): string {
  const names = say().events.attributes as Record<string, string>;
  return [...one.attributes]
    .filter(([name]) => name !== "magnitude")
    .map(([name, said]) => {
      const [, base = name, unit = ""] = /^(.*)_(j|nm|hz|m|mm|s|kg)$/.exec(name) ?? [];
      const text = typeof said === "number" ? sizeText(said) : said;
      return `${names[base] ?? spelled(base)} ${withUnit(text, UNITS[unit] ?? unit)}`;
    })
    .join(", ");
}

const UNITS: Record<string, string> = { j: "J", nm: "N·m", hz: "Hz" };

/** Energies and moments span many decades. */
const sizeText = (size: number): string =>
  size !== 0 && (Math.abs(size) >= 1e4 || Math.abs(size) < 1e-2)
    ? size.toExponential(1).replace("e+", "e")
    : numberText(size);

/** The question that a rule of a source asks, in words: "Rate of events, over 15 min". */
export function eventRuleText(rule: string): string | null {
  const [, method = "", hours = ""] = /^(.*)_([0-9.]+)$/.exec(rule) ?? [];
  const known = (say().events.rules as Record<string, string>)[method];
  if (known === undefined) return null;
  const window = Number(hours);
  return window < 1
    ? `${known}, ${say().spans.minutes(Math.round(window * 60))}`
    : `${known}, ${say().chart.hours(window)}`;
}
