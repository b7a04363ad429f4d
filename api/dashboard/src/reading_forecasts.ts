// From the API's JSON to forecasts; beside `reading.ts` the only place that knows its spelling.

import type { Forecast, ForecastDetail, Move, OtherMethods, Rate } from "./forecasts";
import type { Freshness } from "./model";
import {
  asJson,
  asList,
  asNumber,
  asNumberOrNull,
  asText,
  instantMs,
  type Json,
  nameOf,
} from "./reading";

export function forecastOf(value: unknown): Forecast {
  const json = asJson(value);
  return {
    channel: asText(json.channel),
    unit: asText(json.unit),
    verdict: asText(json.verdict),
    accelerates: json.accelerates === true,
    sentence: nameOf(json.sentence) ?? { en: "", zh: "" },
    // Whatever does not say that it is fresh is not.
    freshness: (json.freshness as Freshness | undefined) ?? "unknown",
    askedMs: instantMs(json.asked_at) ?? 0,
    failsMs: instantMs(json.fails_at),
    earliestMs: instantMs(json.earliest_at),
    latestMs: instantMs(json.latest_at),
    level: asNumber(json.level),
    rSquared: asNumberOrNull(json.r_squared),
    rates: asNumberOrNull(json.rates),
    evidence: asNumberOrNull(json.evidence),
    alpha: asNumberOrNull(json.alpha),
    onsetMs: instantMs(json.onset_at),
    velocity: asNumberOrNull(json.velocity),
    velocityRatio: asNumberOrNull(json.velocity_ratio),
    tangentDeg: asNumberOrNull(json.tangent_deg),
    others: othersOf(asJson(json.others)),
  };
}

function othersOf(json: Json): OtherMethods {
  return {
    lineMs: instantMs(json.line_fails_at),
    lineErrorH: asNumberOrNull(json.line_error_h),
    sloMs: instantMs(json.slo_fails_at),
    alphaTwoMs: instantMs(json.alpha_two_fails_at),
    averagesFirstMs: instantMs(json.averages_first_at),
    averagesLastMs: instantMs(json.averages_last_at),
  };
}

export function forecastDetailOf(value: unknown): ForecastDetail {
  const json = asJson(value);
  const plot = asJson(json.inverse_velocity);
  return {
    channel: asText(json.channel),
    unit: asText(json.unit),
    newest: json.newest == null ? null : forecastOf(json.newest),
    rates: asList(plot.rates).map(rateOf),
    slope: asNumberOrNull(plot.slope),
    intercept: asNumberOrNull(plot.intercept),
    moves: asList(json.moves).map(moveOf),
  };
}

const rateOf = (json: Json): Rate => ({
  atMs: instantMs(json.at) ?? 0,
  inverse: asNumberOrNull(json.inverse),
  usable: json.usable === true,
});

const moveOf = (json: Json): Move => ({
  askedMs: instantMs(json.asked_at) ?? 0,
  failsMs: instantMs(json.fails_at),
  earliestMs: instantMs(json.earliest_at),
  latestMs: instantMs(json.latest_at),
});
