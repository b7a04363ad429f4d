"""Sounders that an edge drives by itself: real relays in another process, and a cut line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from centre_double import CentreDouble, centre_double
from edge_stage import agent
from local_alarm_stage import FAST_S, stage, words
from modbus_bench import RELAY_UNIT, Bench
from waiting import until

from simulators.relay import orders_in
from telemetry.clock import MachineClock

WITHIN_US = 2_000_000


@pytest.fixture
def relay_log(tmp_path: Path) -> Path:
    return tmp_path / "relay.log"


@pytest.fixture
def bench(relay_log: Path) -> Iterator[Bench]:
    with Bench(relay_log=relay_log) as opened:
        yield opened


def soundings(centre: CentreDouble) -> list[tuple[str, str, str]]:
    """What was told, because of which alarm, and the reason of a failure."""
    return [row for block in centre.events for row in zip(*block.texts, strict=True)]


def told(centre: CentreDouble) -> list[str]:
    return [what for what, _, _ in soundings(centre)]


async def test_a_siren_sounds_within_two_seconds_and_without_any_line(
    bench: Bench, relay_log: Path, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = stage(tmp_path, bench, centre)
        async with agent(settings):
            await centre.wait_until(lambda: "ready" in told(centre))
            await centre.close()
            violated_us = MachineClock().now_us()
            bench.order("1 set 0 6000")
            await until(lambda: "on" in words(relay_log))
            ((on_us, unit, coil, _),) = orders_in(relay_log)
            assert (unit, coil) == (RELAY_UNIT, 3)

            bench.order("1 set 0 4950")  # Within the deadband: it goes on.
            await centre.open()
            await centre.wait_until(lambda: "on" in told(centre))
            bench.order("1 set 0 4000")
            await until(lambda: words(relay_log) == ["on", "off"])
            await centre.wait_until(lambda: told(centre)[-1] == "off")
        blocks = [one for one in centre.blocks if (one.raw[:, 0] == 6000).any()]
        first_us = min(int(one.sampled_us[one.raw[:, 0] == 6000].min()) for one in blocks)

    # A Modbus number is what stands in the register when it is asked for, so the sample that saw
    # it may bear an instant just before the change; the siren waited for at most one period more.
    assert first_us - violated_us <= FAST_S * 1e6
    assert on_us - first_us <= WITHIN_US
    assert [what for what in told(centre) if what != "ready"] == ["on", "off"]
    assert ("on", f"level-0/limit_high/{first_us}", "") in soundings(centre)
    assert {(one.source, one.kind) for one in centre.events} == {("siren", "sounding")}


async def test_a_relay_that_lost_its_power_is_switched_on_again(
    bench: Bench, relay_log: Path, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = stage(tmp_path, bench, centre)
        async with agent(settings):
            bench.order("1 set 0 6000")
            await centre.wait_until(lambda: told(centre)[-1:] == ["on"])
            bench.order(f"{RELAY_UNIT} powerless")
            await centre.wait_until(lambda: told(centre)[-1:] == ["failed"])
            bench.order(f"{RELAY_UNIT} powered")
            await until(lambda: words(relay_log) == ["on", "on"])
            await centre.wait_until(lambda: told(centre)[-1:] == ["ready"])
        reasons = [reason for what, _, reason in soundings(centre) if what == "failed"]
    assert len(reasons) == 1
    assert f"unit {RELAY_UNIT} did not answer" in reasons[0]


async def test_a_relay_that_does_not_move_is_found_out_by_its_contact(
    bench: Bench, relay_log: Path, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = stage(tmp_path, bench, centre)
        bench.order(f"{RELAY_UNIT} stuck")
        async with agent(settings):
            await centre.wait_until(lambda: told(centre) == ["ready"])
            bench.order("1 set 0 6000")
            await centre.wait_until(lambda: told(centre)[-1:] == ["failed"])
            bench.order(f"{RELAY_UNIT} loose")
            bench.order("1 set 0 4000")  # The next order moves it, and the proof is good again.
            await centre.wait_until(lambda: told(centre)[-1:] == ["ready"])
        reasons = [reason for what, _, reason in soundings(centre) if what == "failed"]
    assert reasons == ["the unit took the order, but does not read back as sounding"]


async def test_a_restart_forgets_no_siren(bench: Bench, relay_log: Path, tmp_path: Path) -> None:
    """Not even when nothing can be read any more: silence never clears an alarm."""
    async with centre_double() as centre:
        settings = stage(tmp_path, bench, centre)
        async with agent(settings):
            bench.order("1 set 0 6000")
            await until(lambda: words(relay_log) == ["on"])
        assert words(relay_log) == ["on"]  # Ending the agent does not end the warning.
        bench.order(f"{RELAY_UNIT} powerless")
        bench.order(f"{RELAY_UNIT} powered")
        bench.order("1 silent")
        async with agent(settings):
            await until(lambda: words(relay_log) == ["on", "on"])
            await centre.wait_until(lambda: told(centre).count("on") == 2)
        first, second = (alarm for what, alarm, _ in soundings(centre) if what == "on")
    assert first == second  # The same alarm, by its onset.


async def test_nothing_is_written_before_anything_is_known(
    bench: Bench, relay_log: Path, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = stage(tmp_path, bench, centre)
        async with agent(settings):
            await centre.wait_until(lambda: centre.scans_of("level") >= 3)
            await centre.wait_until(lambda: told(centre) == ["ready"])
    assert words(relay_log) == []  # It is silent already, so nothing has to be written.
