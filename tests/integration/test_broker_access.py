"""Coming into a broker: passwords, certificates, and whom the edge trusts."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broker import KINDS, Encryption, running_broker
from centre_double import centre_double
from certificates import Certificates, make_certificates
from mqtt_edge import agent, device, settings_of
from mqtt_plans import mqtt_group

from carriers.acknowledged import Window, acknowledged_line
from carriers.broker import BrokerError
from carriers.broker_settings import BrokerSecrets
from edge_agent.broker_access import BrokerAccess
from edge_agent.settings import EdgeSettings, SettingsError
from telemetry.site import Bus

GROUPS = [mqtt_group(["."], {"kind": "json", "topic": "dam/1"})]
USER = ("edge", "correct horse")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "ours")


@pytest.fixture(params=KINDS)
def encrypted(
    request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates
) -> Callable[..., Any]:
    """Start a broker that speaks TLS."""

    def start(**options: Any) -> Any:
        encryption = Encryption(
            certificates.ca, certificates.server, certificates.server_key, **options
        )
        return running_broker(request.param, tmp_path / "broker", encryption=encryption)

    return start


def access(port: int, settings: BrokerSecrets | None = None, **mqtt: Any) -> BrokerAccess:
    bus = Bus.model_validate(
        {"id": "bus", "edge": "edge", "mqtt": {"host": "127.0.0.1", "port": port, **mqtt}}
    )
    edge = EdgeSettings(
        site=Path("site.yaml"),
        edge="edge",
        centre="ws://127.0.0.1:1",
        token_file=Path("token"),
        spool=Path("spool.db"),
        mqtt={} if settings is None else {"bus": settings},
    )
    return BrokerAccess(bus, edge, site="mine")


async def comes_in(found: BrokerAccess) -> None:
    async with acknowledged_line(found.address(), Window()) as line:
        await line.subscribe(["dam/1"])


@pytest.mark.parametrize("kind", KINDS)
async def test_the_edge_shows_its_password(kind: str, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(USER[1] + "\n", encoding="utf-8")
    settings = {"bus": BrokerSecrets(password_file=password)}
    with running_broker(kind, tmp_path / "broker", password=USER) as broker:
        async with centre_double() as centre:
            edge = settings_of(
                tmp_path, broker.port, centre.port, GROUPS, bus={"username": USER[0]}, mqtt=settings
            )
            async with agent(edge), device(broker.port, username=USER[0], password=USER[1]) as one:
                await until_heard(centre, one)
        with pytest.raises(BrokerError):
            await comes_in(access(broker.port))


async def until_heard(centre: Any, client: Any) -> None:
    """Publish until the edge listens: before, nobody keeps a message for it."""
    while not centre.scans_of("group"):
        await client.publish("dam/1", "1.5", qos=1)
        try:
            await centre.wait_until(lambda: centre.scans_of("group") >= 1, 0.2)
        except TimeoutError:
            continue


async def test_an_encrypted_broker_is_trusted_by_its_authority(
    encrypted: Callable[..., Any], certificates: Certificates, tmp_path: Path
) -> None:
    with encrypted() as broker:
        await comes_in(access(broker.port, BrokerSecrets(ca_file=certificates.ca), encrypted=True))
        with pytest.raises(BrokerError, match="certificate verify failed"):
            await comes_in(access(broker.port, encrypted=True))  # The system does not know it.
        stranger = make_certificates(tmp_path / "theirs").ca
        with pytest.raises(BrokerError, match="certificate verify failed"):
            await comes_in(access(broker.port, BrokerSecrets(ca_file=stranger), encrypted=True))
        with pytest.raises(BrokerError):
            await comes_in(access(broker.port))  # Unencrypted.


async def test_a_broker_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    wrong = make_certificates(tmp_path / "ours", host="127.0.0.2")
    encryption = Encryption(wrong.ca, wrong.server, wrong.server_key)
    with (
        running_broker("nats", tmp_path / "broker", encryption=encryption) as broker,
        pytest.raises(BrokerError, match="IP address mismatch"),
    ):
        await comes_in(access(broker.port, BrokerSecrets(ca_file=wrong.ca), encrypted=True))


async def test_a_broker_may_ask_for_a_certificate(
    encrypted: Callable[..., Any], certificates: Certificates
) -> None:
    with encrypted(clients_too=True) as broker:
        known = BrokerSecrets(
            ca_file=certificates.ca,
            certificate_file=certificates.client,
            key_file=certificates.client_key,
        )
        await comes_in(access(broker.port, known, encrypted=True))
        with pytest.raises(BrokerError):
            await comes_in(
                access(broker.port, BrokerSecrets(ca_file=certificates.ca), encrypted=True)
            )


async def test_messages_come_over_an_encrypted_line(
    encrypted: Callable[..., Any], certificates: Certificates, tmp_path: Path
) -> None:
    """Many at once, so that TLS has unpacked what no socket announces."""
    window = Window(messages_max=10)
    context = ssl.create_default_context(cafile=certificates.ca)
    with encrypted() as broker:
        found = access(broker.port, BrokerSecrets(ca_file=certificates.ca), encrypted=True)
        heard: list[bytes] = []
        async with acknowledged_line(found.address(), window) as line:
            await line.subscribe(["dam/1"])
            async with device(broker.port, tls_context=context) as client:
                for n in range(200):
                    await client.publish("dam/1", str(n), qos=1)
            while len(heard) < 200:
                await line.wake.wait()
                for delivery in line.take():
                    heard.append(delivery.payload)
                    delivery.done()
        assert heard == [str(n).encode() for n in range(200)]


def test_what_does_not_fit_is_told_before_the_first_connection(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no username"):
        access(1883, BrokerSecrets(password_file=secret))
    with pytest.raises(SettingsError, match="is empty"):
        access(1883, BrokerSecrets(password_file=secret), username="edge")
    with pytest.raises(SettingsError, match="cannot be read"):
        access(1883, BrokerSecrets(password_file=tmp_path / "no"), username="edge")
    with pytest.raises(SettingsError, match="not encrypted"):
        access(1883, BrokerSecrets(ca_file=secret))
    with pytest.raises(SettingsError, match=r"\[mqtt\.bus\]: .*certificates cannot be used"):
        access(1883, BrokerSecrets(ca_file=secret), encrypted=True)
    with pytest.raises(SettingsError, match=r"\[mqtt\.bus\]: .*certificates cannot be used"):
        access(1883, BrokerSecrets(certificate_file=tmp_path / "no"), encrypted=True)


def test_a_password_is_shown_to_nobody(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse", encoding="utf-8")
    settings = BrokerSecrets(password_file=secret)
    found = access(1883, settings, username="edge")
    assert "correct horse" not in repr(found.address())
    assert not found.shows_password_to_all
    assert access(1883, settings, username="edge", host="10.0.0.7").shows_password_to_all
    assert not access(
        1883, settings, username="edge", host="10.0.0.7", encrypted=True
    ).shows_password_to_all


def test_an_edge_has_a_name_of_its_own_at_the_broker() -> None:
    assert access(1883).address().client_id == "groundwatch-mine-edge-bus"
    assert access(1883, client_id="our-own").address().client_id == "our-own"
