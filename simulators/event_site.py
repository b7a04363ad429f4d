"""The demo mine's microseismic network as a source of events, with detectors for its catalogue."""

from typing import Any, Final

EVENT_SOURCE: Final = "mine-network"
MICROSEISMIC_CHANNEL: Final = "mine-events"  # Whose group the events stand behind.

SHORT: Final = {
    "window_h": 0.25,
    "background_h": 24,
    "deadband": 1,
    "source": "Demonstration, not a standard: set bounds from the mine's own catalogue",
}
DETECTORS: Final[tuple[dict[str, Any], ...]] = (
    SHORT | {"method": "event_rate", "levels": {"yellow": 5, "orange": 8}},
    SHORT | {"method": "energy_rate", "levels": {"yellow": 4, "orange": 6}},
    SHORT | {"method": "energy_index", "window_h": 0.5, "levels": {"yellow": 0.5}, "deadband": 0.1},
    {
        "method": "b_value",
        "window_h": 72,
        "levels": {"yellow": 0.8},
        "deadband": 0.05,
        "source": SHORT["source"],
    },
    {
        "method": "reentry",
        "window_h": 24,
        "levels": {"yellow": 1, "orange": 4},
        "large_from": 1.5,
        "usual_per_h": 18,
        "source": SHORT["source"],
    },
)


def event_source(topic: str, time_field: str, bus: str) -> dict[str, Any]:
    """Describe the network that publishes to a topic."""
    return {
        "id": EVENT_SOURCE,
        "name": {"en": "Microseismic network", "zh": "微震监测网"},
        "kind": "seismic",
        "bus": bus,
        "message": {
            "kind": "json",
            "topic": topic,
            "rows": "events",
            "time": time_field,
            "time_format": "unix_ms",
        },
        "fields": {
            "id": "id",
            "place": {key: f"place.{key}" for key in ("east_m", "north_m", "elevation_m")},
            "numbers": {key: key for key in ("magnitude", "energy_j", "moment_nm")},
        },
        "convention": {
            "magnitude_scale": "log10 E = 1.5 M + 4.8 (Gutenberg and Richter), E in J",
            "magnitude_step": 0.1,
            "rigidity_pa": 3.0e10,
            "apparent_volume": "m0_squared_over_2_mu_e",
            "source": "Simulated rock: simulators/physics/rock_events.py",
        },
        "silent_after_h": 2,
        "judge_every_s": 60,
        "detectors": list(DETECTORS),
    }
