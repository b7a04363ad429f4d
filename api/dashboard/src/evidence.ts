// What an alarm rests on, in a line that an operator reads: the value, the bound, the source.

import { eventRuleText } from "./event_words";
import { boundText, dateText, numberText, spanText, valueText, withUnit } from "./format";
import { type Alarm, type Channel, LEVEL_KEYS } from "./model";
import { countsIn } from "./votes";
import { qualityName, say, spelled } from "./words";

const numberIn = (alarm: Alarm, ...keys: string[]): number | null => {
  for (const key of keys) {
    const value = alarm.evidence[key];
    if (typeof value === "number") return value;
  }
  return null;
};

const textIn = (alarm: Alarm, ...keys: string[]): string | null => {
  for (const key of keys) {
    const value = alarm.evidence[key];
    if (typeof value === "string" && value) return value;
  }
  return null;
};

/** The rule in words: "High limit", "Rising fast, over 1 h". */
export function ruleText(alarm: Alarm): string {
  const words = say().rules;
  const method = textIn(alarm, "method");
  if (method !== null && method in say().trends) {
    return trendText(method, numberIn(alarm, "window_s"), isLow(alarm));
  }
  const ofEvents = eventRuleText(alarm.rule);
  if (ofEvents !== null) return ofEvents;
  const [, base = alarm.rule, number] = /^(.*?)(?:_(\d+))?$/.exec(alarm.rule) ?? [];
  if (base.startsWith("rate_")) {
    const window = spanText(numberIn(alarm, "window_s") ?? Number(number ?? 3600));
    return isLow(alarm) ? words.rate_low(window) : words.rate_high(window);
  }
  if (base.startsWith("quarantined")) return words.quarantined;
  const known = (words as Record<string, unknown>)[base];
  return typeof known === "string" ? known : spelled(base);
}

/** A slow rule in words: "Rate, over 1 d, falling". */
export function trendText(method: string, windowS: number | null, low: boolean): string {
  const words = say();
  const name = (words.trends as Record<string, string>)[method] ?? spelled(method);
  const window = windowS === null ? "" : words.trendOver(spanText(windowS));
  return `${name}${window}${low && method !== "failure_time" ? words.trendFalls : ""}`;
}

/** The value against its bound: "41.3 mm ≥ 40.0 mm"; for other rules what was seen. */
export function evidenceText(alarm: Alarm, channel: Channel | undefined): string | null {
  if (alarm.rule === "vote") return voteText(alarm);
  if (alarm.rule === "quality") return reasonText(alarm);
  if (alarm.rule === "unreadable") return unreadText(alarm);
  if (alarm.rule.endsWith("certificate_ends")) return endText(alarm);
  if (alarm.rule === "enrolment_refused") return wrongCodesText(alarm);
  const isRate = alarm.rule.startsWith("rate_");
  const value = isRate ? numberIn(alarm, "rate", "value") : numberIn(alarm, "value");
  const bound = numberIn(alarm, "bound", "limit");
  const figure = numberIn(alarm, "figure");
  if (figure !== null && bound !== null) {
    // A slow rule has a unit of its own: "12.5 mm/h ≥ 10 mm/h", "5.2 h ≤ 6 h".
    const unit = textIn(alarm, "figure_unit") ?? "";
    const sign = isLow(alarm) ? "≤" : "≥";
    return `${withUnit(numberText(figure, rateStep(bound)), unit)} ${sign} ${withUnit(boundText(bound), unit)}`;
  }
  const statistic = numberIn(alarm, "statistic");
  if (statistic !== null && bound !== null) {
    // A chart: "41.3 mm: 8.4 σ ≥ 8 σ", in whichever direction.
    const unit = unitFor(alarm, channel, false);
    const text = value === null ? null : numberText(value, channel?.resolution ?? null);
    const reading = text === null ? "" : `${withUnit(text, unit)}: `;
    return `${reading}${numberText(statistic, 0.1)} σ ≥ ${boundText(bound)} σ`;
  }
  if (value !== null && channel?.states) return valueText(channel, value);
  if (value !== null && bound !== null) {
    const unit = unitFor(alarm, channel, isRate);
    const sign = isLow(alarm) ? "≤" : "≥";
    // A bound is written as people set it; the value gets the digits that it deserves.
    const resolution = isRate ? rateStep(bound) : (channel?.resolution ?? null);
    return `${withUnit(numberText(value, resolution), unit)} ${sign} ${withUnit(boundText(bound), unit)}`;
  }
  return reasonText(alarm);
}

/** "2 orange, 1 blue of 8 points". */
function voteText(alarm: Alarm): string | null {
  const members = numberIn(alarm, "members");
  if (members === null) return reasonText(alarm);
  const { votes, levels } = say();
  const counts = countsIn(alarm).map(([level, count]) =>
    votes.count(count, levels[LEVEL_KEYS[level]]),
  );
  const ofPoints = textIn(alarm, "of") === "points";
  const text = counts.join(votes.comma) || votes.count(0, levels.none);
  return ofPoints ? votes.ofPoints(text, members) : votes.ofItems(text, members);
}

/** A rate is known to no more than three digits or so. */
const rateStep = (bound: number): number | null =>
  bound === 0 ? null : 10 ** (Math.floor(Math.log10(Math.abs(bound))) - 2);

function reasonText(alarm: Alarm): string | null {
  const reason = textIn(alarm, "reason");
  if (reason === null) return null;
  return (say().refusals as Record<string, string>)[reason] ?? qualityName(reason);
}

/** "device does not reply: 10 of 12 channels". */
function unreadText(alarm: Alarm): string | null {
  const reason = reasonText(alarm);
  const count = numberIn(alarm, "channels_unread");
  const all = numberIn(alarm, "channels");
  if (reason === null || count === null || all === null) return reason;
  return say().alarms.unread(reason, count, all);
}

/** "ends 1 Dec 2026": the date counts, however often it has been told. */
function endText(alarm: Alarm): string | null {
  const endsMs = Date.parse(textIn(alarm, "ends_at") ?? "");
  return Number.isNaN(endsMs) ? reasonText(alarm) : say().alarms.certificateEnds(dateText(endsMs));
}

function wrongCodesText(alarm: Alarm): string | null {
  const count = numberIn(alarm, "wrong_codes");
  if (count === null) return reasonText(alarm);
  return say().alarms.wrongCodes(count, textIn(alarm, "address") ?? "?");
}

export const sourceText = (alarm: Alarm): string | null => textIn(alarm, "source");

const isLow = (alarm: Alarm): boolean =>
  alarm.evidence.direction === "low" || /_low\b|_low_/.test(alarm.rule);

function unitFor(alarm: Alarm, channel: Channel | undefined, isRate: boolean): string {
  const own = textIn(alarm, isRate ? "rate_unit" : "unit", "unit") ?? channel?.unit ?? "";
  return isRate && !own.includes("/") ? `${own}/h` : own;
}
