"""Templates: every default one is in order, and channels are completed from them, key by key."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from groundwatch import app
from telemetry import channel_templates
from telemetry.channel_templates import shipped_template, shipped_templates
from telemetry.complaint import Complaint
from telemetry.quantities import QUANTITIES
from telemetry.site import ChannelBase
from telemetry.site_file import SiteFileError, keep_text, read_site_text, site_schema
from telemetry.site_rules.places import channels_of
from telemetry.trends import FailureTimeTrend, TangentAngleTrend, TheilSenTrend

NAME = {"en": "Dam", "zh": "坝"}
OWN = {
    "id": "our-cracks",
    "applies_to": {"quantity": "crack_opening"},
    "source": "Monitoring plan, 4",
    "asks": {"mm_per_h": {"about": {"en": "Rate", "zh": "速率"}, "value": 2}},
    "gives": {
        "screen": {"frozen": {"after_s": {"of": "period", "times": 100}}},
        "trends": [
            {
                "method": "theil_sen",
                "direction": "high",
                "window_s": 86400,
                "levels": {"yellow": "$mm_per_h", "orange": {"of": "mm_per_h", "times": 3}},
                "source": "Monitoring plan, 4.1",
            }
        ],
    },
}


def site(
    channels: list[dict[str, Any]], templates: list[dict[str, Any]], instrument: str = "crackmeter"
) -> str:
    group = {
        "id": "group",
        "period_s": 60,
        "bus": "bus",
        "device_id": 1,
        "channels": [
            {
                "quantity": "crack_opening",
                "instrument": "gauge",
                "slot": slot,
                "register": {"address": slot},
            }
            | {"unit": "kPa" if one.get("quantity") == "pore_pressure" else "mm"}
            | one
            for slot, one in enumerate(channels)
        ],
    }
    station = {
        "id": "crest",
        "name": NAME,
        "instruments": [{"id": "gauge", "type": instrument}],
        "scan_groups": [group],
    }
    tree = {
        "site": "mine",
        "name": NAME,
        "time_zone": "UTC",
        "began_at": "2020-01-01T00:00:00Z",
        "templates": templates,
        "buses": [{"id": "bus", "edge": "edge", "modbus_tcp": {"host": "logger"}}],
        "structures": [{"id": "dam", "kind": "slope", "name": NAME, "stations": [station]}],
    }
    return json.dumps(tree, indent=1, ensure_ascii=False)


def channels(text: str) -> dict[str, ChannelBase]:
    return {one.channel.id: one.channel for one in channels_of(read_site_text(text, "site.yaml"))}


def complaints_about(text: str) -> list[Complaint]:
    with pytest.raises(SiteFileError) as caught:
        read_site_text(text, "site.yaml")
    return caught.value.complaints


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


@pytest.mark.parametrize("name", shipped_templates())
def test_a_default_template_gives_what_it_says_once_it_has_its_numbers(name: str) -> None:
    template = shipped_template(name)
    given = {key: 2 for key, one in template.asks.items() if one.value is None}
    kinds = template.applies_to.instrument_type or ["gauge"]

    assert template.id == name
    assert template.name is not None
    assert "verify with" in template.source
    for quantity in template.applies_to.quantity:
        unit = {"unit": QUANTITIES[quantity].units[0]}
        text = site(
            [{"id": "one", "quantity": quantity, "resolution": 0.01} | unit],
            [{"use": name, "with": given}],
            kinds[0],
        )
        (channel,) = channels(text).values()
        for key in ("charts", "rate_limits", "trends"):
            rules = getattr(channel, key)
            assert len(rules) == len(getattr(template.gives, key) or [])
            assert all("verify with" in rule.source for rule in rules)
        assert (channel.screen is not None) == (template.gives.screen is not None)


def test_a_rule_waits_for_a_number_that_only_the_mine_has() -> None:
    without = channels(site([{"id": "one"}], [{"use": "crack-opening"}]))["one"]
    with_it = channels(
        site([{"id": "one"}], [{"use": "crack-opening", "with": {"uniform_per_h": 0.05}}])
    )["one"]

    assert [one.method for one in without.trends] == ["failure_time"]
    assert [one.method for one in with_it.trends] == ["failure_time", "tangent_angle"]
    angle = with_it.trends[1]
    assert isinstance(angle, TangentAngleTrend)
    assert angle.uniform_per_h == 0.05
    assert without.screen is None


def test_what_a_site_gives_reaches_every_rule_that_asks_for_it() -> None:
    use = {"use": "crack-opening", "with": {"notice_h": 3, "bin_s": 600}}
    (trend,) = channels(site([{"id": "one"}], [use]))["one"].trends

    assert isinstance(trend, FailureTimeTrend)
    assert (trend.levels.blue, trend.levels.yellow, trend.levels.orange) == (12, 6, 3)
    assert trend.bin_s == 600


def test_a_site_writes_templates_of_its_own() -> None:
    channel = channels(site([{"id": "one"}], [OWN]))["one"]

    assert channel.screen is not None
    assert channel.screen.frozen is not None
    assert channel.screen.frozen.after_s == 6000
    (trend,) = channel.trends
    assert isinstance(trend, TheilSenTrend)
    assert (trend.levels.yellow, trend.levels.orange) == (2, 6)


def test_a_channels_own_words_win_key_by_key() -> None:
    own = {"id": "own", "trends": [], "screen": {"spike": {"most_per_hour": 9}}}
    frozen = {"id": "frozen", "screen": {"frozen": {"after_s": 999}}}
    found = channels(site([own, frozen], [OWN]))

    assert found["own"].trends == []
    assert found["own"].screen is not None
    assert found["own"].screen.spike is not None
    assert found["own"].screen.frozen is not None
    assert found["own"].screen.frozen.after_s == 6000
    assert found["frozen"].screen is not None
    assert found["frozen"].screen.frozen is not None
    assert found["frozen"].screen.frozen.after_s == 999
    assert len(found["frozen"].trends) == 1


@pytest.mark.parametrize("words", ["none", []])
def test_a_channel_can_refuse(words: object) -> None:
    found = channels(site([{"id": "no", "templates": words}, {"id": "yes"}], [OWN]))

    assert found["no"].trends == []
    assert found["no"].screen is None
    assert len(found["yes"].trends) == 1


def test_a_channel_can_choose_and_of_two_the_upper_wins() -> None:
    uses = [OWN, {"use": "crack-opening"}]
    found = channels(
        site([{"id": "both"}, {"id": "chooses", "templates": ["crack-opening"]}], uses)
    )

    assert [one.method for one in found["both"].trends] == ["theil_sen"]
    assert [one.method for one in found["chooses"].trends] == ["failure_time"]


def test_another_quantity_instrument_or_structure_takes_nothing() -> None:
    uses: list[dict[str, Any]] = [{"use": "crack-opening"}]
    narrow = {"quantity": "crack_opening", "structure_kind": ["tailings_dam"]}

    assert channels(site([{"id": "one", "quantity": "settlement"}], uses))["one"].trends == []
    assert channels(site([{"id": "one"}], uses, "ruler"))["one"].trends == []
    assert channels(site([{"id": "one"}], [OWN | {"applies_to": narrow}]))["one"].trends == []


def test_drift_is_asked_only_where_a_partner_is_named() -> None:
    pressure = {"quantity": "pore_pressure", "resolution": 0.05}
    found = channels(
        site(
            [{"id": "a", "drift": {"against": ["b"]}} | pressure, {"id": "b"} | pressure],
            [{"use": "pore-pressure"}],
            "vw_piezometer",
        )
    )

    assert found["b"].drift is None
    assert found["a"].drift is not None
    assert (found["a"].drift.tolerance, found["a"].drift.window_s) == (1.0, 604800)


@pytest.mark.parametrize(
    ("templates", "channel", "message", "at"),
    [
        ([{"use": "crack-openin"}], {}, "no template is called crack-openin", '"crack-openin"'),
        ([{"use": "crack-opening", "with": {"bins": 7777}}], {}, "asks for no bins", "7777"),
        ([OWN, OWN], {}, "our-cracks stands here again", None),
        ([OWN], {"templates": ["cracks"]}, "the site uses no template cracks", '"cracks"'),
        (
            [OWN | {"applies_to": {"quantity": "crack_openin"}}],
            {},
            "no quantity is called crack_openin",
            None,
        ),
        (
            [{"use": "crack-opening", "with": {"bin_s": 30}}],
            {},
            "shorter than the group",
            '"crack-',
        ),
        ([{"id": "x", "givs": {}}], {}, "the key givs is unknown", '"givs"'),
    ],
)
def test_what_is_wrong_is_said_at_the_line_that_asked_for_it(
    templates: list[dict[str, Any]], channel: dict[str, Any], message: str, at: str | None
) -> None:
    text = site([{"id": "one"} | channel], templates)
    complaints = complaints_about(text)

    (found,) = [one for one in complaints if message in one.message]
    if at is not None:
        assert found.line == line_of(text, at)


def test_a_fault_in_a_sites_own_template_is_said_at_its_line() -> None:
    broken = json.loads(json.dumps(OWN))
    broken["gives"]["trends"][0]["window_s"] = -5
    text = site([{"id": "one"}], [broken])

    assert {one.line for one in complaints_about(text)} == {line_of(text, "-5")}


def test_what_is_stored_means_the_same_when_the_default_templates_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use = {"use": "crack-opening", "with": {"notice_h": 3, "uniform_per_h": 0.05}}
    text = site([{"id": "one"}], [use])
    kept_site, stored = keep_text(text, "site.yaml")
    monkeypatch.setattr(channel_templates, "shipped_templates", lambda: ())

    assert read_site_text(stored, "stored") == kept_site.model_copy(
        update={"templates": read_site_text(stored, "stored").templates}
    )
    assert keep_text(site([{"id": "one"}], [OWN]), "x")[1] == site([{"id": "one"}], [OWN])


def test_templates_cannot_make_a_small_file_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_templates, "FILLED_MAX", 20)
    many = [{"id": f"c{n}"} for n in range(10)]

    (complaint,) = complaints_about(site(many, [OWN]))
    assert "more than 20 values" in complaint.message


def test_check_shows_what_each_channel_has_and_from_where(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    uses = [{"use": "crack-opening"}, {"use": "anchor-load"}]
    path.write_text(site([{"id": "one"}], uses), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "--show-rules", str(path)])

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert "one:" in lines
    assert "  failure_time low: blue 96, yellow 48, orange 24  from template crack-opening" in lines
    assert "  not asked: tangent_angle waits for uniform_per_h  (template crack-opening)" in lines
    assert "no channel takes the template anchor-load" in lines


def test_templates_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(app, ["templates"]).output
    shown = CliRunner().invoke(app, ["templates", "rain"])
    unknown = CliRunner().invoke(app, ["templates", "rein"])

    assert all(name in listed for name in shipped_templates())
    assert "id: rain" in shown.output
    assert unknown.exit_code == 2
    assert "Did you mean rain?" in unknown.output


def test_the_schema_knows_templates() -> None:
    schema = site_schema()

    assert {"Template", "TemplateUse"} <= set(schema["$defs"])
    assert "with" in schema["$defs"]["TemplateUse"]["properties"]
    assert "templates" in schema["$defs"]["Channel"]["properties"]
