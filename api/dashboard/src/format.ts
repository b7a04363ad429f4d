// Numbers, instants and ages as people read them.

import type { Channel } from "./model";
import { language, locale, say } from "./words";
import { site } from "./store";
import { nowMs } from "./clock";

const MISSING = "—";
const DAY_MS = 86_400_000;

const numberFormats = new Map<string, Intl.NumberFormat>();
const instantFormats = new Map<string, Intl.DateTimeFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale.value + JSON.stringify(options);
  let format = numberFormats.get(key);
  if (!format) {
    // What rounds to zero has no sign.
    format = new Intl.NumberFormat(locale.value, { signDisplay: "negative", ...options });
    numberFormats.set(key, format);
  }
  return format;
}

/** Digits after the point that an instrument's resolution, or an axis's step, deserves. */
export function decimalsFor(resolution: number): number {
  for (let digits = 0; digits < 6; digits += 1) {
    const scaled = resolution * 10 ** digits;
    if (scaled > 0.99 && Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return digits;
    // One third has no last digit; two digits of it are enough.
    if (scaled > 10) return digits;
  }
  return 6;
}

/** A count, to the last one. */
export const countText = (count: number): string =>
  numberFormat({ maximumFractionDigits: 0 }).format(count);

export function numberText(value: number | null, resolution: number | null = null): string {
  if (value === null) return MISSING;
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 1e-4)) {
    return numberFormat({ notation: "scientific", maximumSignificantDigits: 4 }).format(value);
  }
  if (resolution !== null) {
    const digits = decimalsFor(resolution);
    return numberFormat({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
      value,
    );
  }
  return numberFormat({ maximumSignificantDigits: 5 }).format(value);
}

/** A bound as people set it: with every digit, or a value could seem to be on its other side. */
export function boundText(bound: number): string {
  return numberFormat({ maximumSignificantDigits: 12 }).format(bound);
}

/** Units are written alike everywhere, except the words among them. */
export const unitText = (unit: string): string =>
  unit === "1" || unit === "state" ? "" : unit.replace(/^count\b/, say().units.count);

export function withUnit(value: string, unit: string): string {
  const shown = unitText(unit);
  if (!shown || value === MISSING) return value;
  return shown === "°" ? value + shown : `${value} ${shown}`;
}

/** A value of a channel: a number with its digits, or the name of a state. */
export function valueText(channel: Channel, value: number | null): string {
  if (value === null) return MISSING;
  const state = channel.states?.get(Math.round(value));
  if (state) return state.name[language.value];
  return numberText(value, channel.resolution);
}

const timeZone = (): string => site.value?.timeZone ?? "UTC";

function instantFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale.value + timeZone() + JSON.stringify(options);
  let format = instantFormats.get(key);
  if (!format) {
    const whole = { hourCycle: "h23" as const, timeZone: timeZone(), ...options };
    format = new Intl.DateTimeFormat(locale.value, whole);
    instantFormats.set(key, format);
  }
  return format;
}

export function timeText(ms: number): string {
  return instantFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
}

export function dateText(ms: number): string {
  return instantFormat({ year: "numeric", month: "short", day: "numeric" }).format(ms);
}

/** The time alone when it is today's, with the day otherwise. */
export function instantText(ms: number): string {
  if (Math.abs(nowMs.peek() - ms) < DAY_MS && dateText(ms) === dateText(nowMs.peek())) {
    return timeText(ms);
  }
  return momentText(ms);
}

/** The day and the minute, whatever day it is. */
export function momentText(ms: number): string {
  return instantFormat({
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  }).format(ms);
}

/** The name of the site's time zone, such as UTC+8. */
export function zoneText(ms: number): string {
  const parts = instantFormat({ timeZoneName: "shortOffset" }).formatToParts(ms);
  const name = parts.find((part) => part.type === "timeZoneName")?.value ?? timeZone();
  return name.replace("GMT", "UTC");
}

/** How long something has lasted, to two units at most. */
export function spanText(seconds: number): string {
  const words = say().spans;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return words.seconds(whole);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return words.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  const rest = hours < 24 ? minutes % 60 : hours % 24;
  const first = hours < 24 ? words.hours(hours) : words.days(Math.floor(hours / 24));
  if (rest === 0) return first;
  return `${first} ${hours < 24 ? words.minutes(rest) : words.hours(rest)}`;
}

export const agoText = (ms: number): string =>
  say().alarms.ago(spanText((nowMs.value - ms) / 1000));

/** An instant on a chart's axis: as fine as the steps between the marks; the day where one begins. */
export function axisInstantText(ms: number, stepS: number): string {
  const day = instantFormat({ month: "short", day: "numeric" }).format(ms);
  if (stepS >= 86_400) return day;
  const clock = instantFormat({
    hour: "2-digit",
    minute: "2-digit",
    ...(stepS < 60 ? { second: "2-digit" } : {}),
  }).format(ms);
  return clock.startsWith("00:00") ? `${clock}\n${day}` : clock;
}
