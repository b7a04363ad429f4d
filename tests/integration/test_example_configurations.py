"""The example configurations: each is read by whatever reads it in a mine."""

import re
import shutil
import subprocess
import tomllib
from inspect import signature
from pathlib import Path

import pytest
from certificates import make_certificates
from command_lines import complaints_about
from ruamel.yaml import YAML

from alarms.notify.destinations import read_destinations
from carriers.broker_settings import BrokerSecrets, read_broker_settings
from edge_agent.broker_access import BrokerAccess
from edge_agent.carriers import carrier_of
from edge_agent.settings import EdgeSettings, read_settings
from groundwatch import serve
from telemetry.check import check_files
from telemetry.site import BUS_KINDS
from telemetry.site_file import read_site_file

CONFIG = Path(__file__).parents[2] / "deploy" / "config"
SITE = CONFIG / "west-pond.yaml"


def test_the_site_file_has_no_faults_and_every_kind_of_bus() -> None:
    code, lines = check_files([SITE])

    assert code == 0, lines
    assert {bus.kind for bus in read_site_file(SITE).buses} == set(BUS_KINDS)


def test_every_limit_names_its_source_and_that_it_is_a_template() -> None:
    text = SITE.read_text(encoding="utf-8")
    sources = re.findall(r'source: "([^"]+)"', text)

    assert len(sources) == text.count("direction:")
    assert all("template" in source for source in sources)


def with_files_here(name: str, folder: Path, *, whole: bool) -> Path:
    """Write an example's settings with the files that they name, which are real ones.

    As a whole, with lines such as `# key = "…"`: whoever needs one takes the # away.
    """
    made = make_certificates(folder)
    text = (CONFIG / name).read_text(encoding="utf-8")
    if whole:
        text = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    for key, path in (
        (r"(?:\w+_)?password_file", folder / "password"),
        (r"ca_file|authority", made.ca),
        (r"certificate(?:_file)?", made.client),
        (r"key(?:_file)?", made.client_key),
        (r"site", SITE),
    ):
        text = re.sub(rf'^({key}) = ".*?"', rf'\1 = "{path}"', text, flags=re.MULTILINE)
    (folder / "password").write_text("secret\n", encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("whole", [False, True], ids=["as it stands", "all of it"])
def test_the_edge_reads_its_settings(whole: bool, tmp_path: Path) -> None:
    site = read_site_file(SITE)

    settings = read_settings({}, {}, with_files_here("edge.toml", tmp_path, whole=whole))

    assert settings.edge in {bus.edge for bus in site.buses}
    assert settings.spool_bytes_max == 4 << 30
    assert (settings.credentials is not None, settings.authority is not None) == (whole, whole)
    assert carrier_of(settings, site.site).address.startswith("wss://centre.mine.example:8381")
    buses = {bus.id: bus for bus in site.buses if bus.edge == settings.edge and bus.mqtt}
    assert set(settings.mqtt) == set(buses)
    for bus in buses.values():
        access = BrokerAccess(bus, settings, site=site.site)
        assert (access.address().password, access.address().port) == ("secret", 8883)
        assert access.address().encryption is not None


def test_the_example_of_an_edge_shows_every_setting() -> None:
    shown = set(
        re.findall(r"^#? *(\w+) = ", (CONFIG / "edge.toml").read_text("utf-8"), re.MULTILINE)
    )

    every = {*EdgeSettings.model_fields, *BrokerSecrets.model_fields} - {"mqtt", "clock"}
    assert shown == every


@pytest.mark.parametrize("whole", [False, True], ids=["as it stands", "all of it"])
def test_centre_and_edge_read_how_to_come_into_a_broker(whole: bool, tmp_path: Path) -> None:
    settings = read_broker_settings(with_files_here("broker.toml", tmp_path, whole=whole))

    assert (settings.username, settings.password()) == ("groundwatch", "secret")
    assert settings.take_readings
    assert (settings.certificate_file is not None) == whole
    settings.encryption()
    if whole:
        assert None not in settings.model_dump().values()  # It shows every setting.


def test_the_centre_reads_its_webhooks(tmp_path: Path) -> None:
    file = Path(shutil.copy(CONFIG / "webhooks.toml", tmp_path))
    [recipe] = re.findall(r"output of: (.+)", file.read_text(encoding="utf-8"))
    for name in re.findall(r'secret_file = "(.+?)"', file.read_text(encoding="utf-8")):
        made = subprocess.run(["sh", "-c", recipe], check=True, capture_output=True, timeout=10)
        (tmp_path / name).write_bytes(made.stdout)
        (tmp_path / name).chmod(0o600)

    room, phone = read_destinations(file)

    assert (room.id, phone.levels) == ("control-room", ("orange", "red"))


def options_of_the_service() -> list[list[str]]:
    """The options of every line GROUNDWATCH_OPTIONS, alone and with each of those to add."""
    text = (CONFIG / "centre.env").read_text(encoding="utf-8")
    assert len(re.findall(r"^GROUNDWATCH_OPTIONS=", text, re.MULTILINE)) == 1
    lines = re.findall(r"^(?:# )?GROUNDWATCH_OPTIONS=(.*)$", text, re.MULTILINE)
    more = re.findall(r"^#   (--.*)$", text, re.MULTILINE)
    assert (len(lines), len(more)) == (2, 3)
    return [[*line.split(), *added.split()] for line in lines for added in ["", *more]]


def test_the_options_of_the_service_exist() -> None:
    wrong = {" ".join(one): complaints_about(["serve", *one]) for one in options_of_the_service()}
    assert {options: said for options, said in wrong.items() if said} == {}


def test_prometheus_asks_both_pages_with_a_token() -> None:
    document = YAML(typ="safe").load(CONFIG / "prometheus.yml")
    jobs = document["scrape_configs"]

    ports = [int(job["static_configs"][0]["targets"][0].rpartition(":")[2]) for job in jobs]
    options = signature(serve).parameters
    assert ports == [options["port"].default, options["line_port"].default]
    assert all(set(job["authorization"]) == {"credentials_file"} for job in jobs)
    assert all(job["scheme"] == "https" and job["tls_config"] for job in jobs)


def test_toml_files_say_nothing_twice() -> None:
    for path in CONFIG.glob("*.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))
