"""Forecasts in words: what a page shows a person, in English and in Chinese."""

from collections.abc import Mapping
from typing import Final

from alarms.forecast.forecasts import Forecasts
from alarms.forecast.verdict import Verdict

HOURS_SHOWN: Final = 48.0  # Longer times are told in days.

REASONS: Final[Mapping[str, Mapping[Verdict, str]]] = {
    "en": {
        Verdict.TOO_LITTLE_DATA: "Too little data: no stretch of the record has enough means.",
        Verdict.NO_RECENT_DATA: "No recent data: nothing can be said about now.",
        Verdict.NOT_MOVING: "Not moving: all movement is within the noise.",
        Verdict.REGRESSIVE: "Regressive: it moves, and ever more slowly.",
        Verdict.NOT_ACCELERATING: "Not accelerating: it moves no faster than before.",
        Verdict.BELOW_NOISE: (
            "The velocity does not stand out from the noise for long enough to tell a time."
        ),
        Verdict.NO_LAW: (
            "Accelerating, and not clearly by the law of failure: movement that only grows, such "
            "as a burst after rain, explains it as well."
        ),
        Verdict.POOR_LINE: (
            "Accelerating, and the inverse velocity does not fall along a line "
            "(R² {r_squared:.2f})."
        ),
        Verdict.SEEN_BEFORE: (
            "Accelerating, and only {velocity_ratio:.1f} times as fast as the record has seen it "
            "before without a failure."
        ),
        Verdict.RECEDING: (
            "Accelerating, and the time of failure recedes: the newest data put it off."
        ),
        Verdict.TOO_EARLY: (
            "Accelerating for {since} by the law of failure; it is too early to tell the time."
        ),
        Verdict.FORECAST: (
            "Failure expected in {left}, between {earliest} and {latest} from now ({level:.0f} %). "
            "Accelerating for {since}; α = {alpha:.2f}, R² of the inverse velocity {r_squared:.2f}."
        ),
    },
    "zh": {
        Verdict.TOO_LITTLE_DATA: "数据太少：记录中没有一段有足够的均值。",
        Verdict.NO_RECENT_DATA: "近期无数据：无法判断当前状况。",
        Verdict.NOT_MOVING: "没有位移：全部变化都在噪声之内。",
        Verdict.REGRESSIVE: "减速：仍在位移，但越来越慢。",
        Verdict.NOT_ACCELERATING: "没有加速：位移速率不高于以前。",
        Verdict.BELOW_NOISE: "速率高出噪声的时间不够长，无法给出时间。",
        Verdict.NO_LAW: (
            "正在加速，但不能明确认定符合失稳规律：单纯的加速（例如雨后的短时加速）同样可以解释。"
        ),
        Verdict.POOR_LINE: "正在加速，但速率倒数没有沿直线下降（R² 为 {r_squared:.2f}）。",
        Verdict.SEEN_BEFORE: (
            "正在加速，但速率仅为记录中未导致失稳的最大速率的 {velocity_ratio:.1f} 倍。"
        ),
        Verdict.RECEDING: "正在加速，但预测的失稳时间随最新数据不断推后。",
        Verdict.TOO_EARLY: "已按失稳规律加速 {since}；目前尚早，无法给出时间。",
        Verdict.FORECAST: (
            "预计 {left}后失稳，{level:.0f} % 区间为 {earliest}至 {latest}后。"
            "已加速 {since}；α = {alpha:.2f}，速率倒数拟合 R² 为 {r_squared:.2f}。"
        ),
    },
}
# Said instead of FORECAST once the expected time is over.
PASSED: Final = {
    "en": (
        "Failure was expected {over} ago; the interval ({level:.0f} %) {end}. "
        "It has not been forecast anew since."
    ),
    "zh": "预计的失稳时间已过 {over}，{level:.0f} % 区间{end}；此后没有新的预测。",
}
INTERVAL_ENDS: Final = {"en": "ends in {}", "zh": "还有 {}结束"}
INTERVAL_OVER: Final = {"en": "is over too", "zh": "也已结束"}
STALE: Final = {
    "en": "Out of date: nothing new has come for {age}. It was said: {said}",
    "zh": "已过时：已有 {age}没有新数据。当时的结论：{said}",
}
SPANS: Final = {"en": ("{:.2g} hours", "{:.2g} days"), "zh": ("{:.2g} 小时", "{:.2g} 天")}


def reason(
    forecasts: Forecasts, channel: int, language: str = "en", *, later_h: float = 0.0
) -> str:
    """Say the verdict of one channel, and what it rests on, so many hours after it was asked."""
    answers = forecasts.answers
    verdict = Verdict(int(answers.verdict[channel]))
    left_h = float(answers.fails_h[channel]) - later_h
    latest_h = float(answers.latest_h[channel]) - later_h
    if verdict is Verdict.FORECAST and left_h <= 0.0:
        ends = INTERVAL_ENDS[language].format(span(latest_h, language))
        return PASSED[language].format(
            over=span(-left_h, language),
            level=100.0 * forecasts.level,
            end=ends if latest_h > 0.0 else INTERVAL_OVER[language],
        )
    return REASONS[language][verdict].format(
        level=100.0 * forecasts.level,
        r_squared=answers.r_squared[channel],
        velocity_ratio=answers.velocity_ratio[channel],
        alpha=answers.alpha[channel],
        since=span(-float(answers.onset_h[channel]), language),
        left=span(left_h, language),
        earliest=span(max(float(answers.earliest_h[channel]) - later_h, 0.0), language),
        latest=span(latest_h, language),
    )


def out_of_date(said: str, age_h: float, language: str = "en") -> str:
    """Say of what was said that nothing new has come for so long."""
    return STALE[language].format(age=span(age_h, language), said=said)


def span(hours: float, language: str) -> str:
    """Say how long something lasts, as exactly as a forecast is."""
    in_hours, in_days = SPANS[language]
    return in_hours.format(hours) if hours < HOURS_SHOWN else in_days.format(hours / 24.0)
