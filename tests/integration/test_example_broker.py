"""The example of a broker: Mosquitto takes it, and lets each user say its own and nothing else."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from peers import peer
from waiting import until

from simulators.proving.demonstration import free_ports

CONFIG = Path(__file__).parents[2] / "deploy" / "config"
SESSION = 32 * "0"
USERS = ("groundwatch", "dam-box", "hill-gateway", "g-21", "weather")
WITHIN_S = 20.0
# The example is included by this file, and Mosquitto refuses what both say.
AS_DEBIAN_HAS_IT = """
pid_file {folder}/mosquitto.pid
persistence true
persistence_location {folder}/
log_dest stderr
include_dir {folder}/conf.d
"""


@pytest.fixture
def settings_of_broker(tmp_path: Path) -> tuple[Path, int]:
    """The example's files for a broker without encryption on loopback, and its port."""
    [port] = free_ports(1)
    text = (CONFIG / "mosquitto.conf").read_text(encoding="utf-8")
    plain, count = re.subn(r"listener 8883\n.*?\n\n", "", text, flags=re.DOTALL)
    assert count == 1
    for installed, here in (
        ("listener 1883 127.0.0.1", f"listener {port} 127.0.0.1"),
        ("/etc/mosquitto/groundwatch", str(tmp_path / "groundwatch")),
    ):
        assert installed in plain
        plain = plain.replace(installed, here)
    if os.geteuid() == 0:  # Else it becomes a user who may not enter a test's folder.
        plain += "user root\n"
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "groundwatch.conf").write_text(plain, encoding="utf-8")
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(AS_DEBIAN_HAS_IT.format(folder=tmp_path), encoding="utf-8")
    shutil.copy(CONFIG / "mosquitto.acl", tmp_path / "groundwatch.acl")
    (tmp_path / "groundwatch.acl").chmod(0o600)
    passwords = tmp_path / "groundwatch.passwords"
    passwords.touch(mode=0o600)
    for user in USERS:
        command = [peer("mosquitto_passwd"), "-b", passwords, user, user]
        subprocess.run(command, check=True, capture_output=True, timeout=WITHIN_S)
    return settings, port


@pytest.fixture
async def broker_port(settings_of_broker: tuple[Path, int]) -> AsyncIterator[int]:
    """The port of a running Mosquitto with the example's access list."""
    settings, port = settings_of_broker
    said = settings.with_suffix(".log")
    with said.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            peer("mosquitto"), "-c", str(settings), stdout=sink, stderr=sink
        )
        try:
            await until(lambda: process.returncode is not None or b"running" in said.read_bytes())
            assert process.returncode is None, said.read_text(encoding="utf-8")
            yield port
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), WITHIN_S)


class Client:
    """One user of the broker, who notes what becomes of what is published."""

    def __init__(self, user: str, port: int) -> None:
        self.received: list[str] = []
        self.connected: list[ReasonCode] = []
        self.answers: dict[int, ReasonCode] = {}
        self.subscribed: set[int | None] = set()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"test-{user}", protocol=paho.MQTTv5
        )
        self._client.username_pw_set(user, user)
        self._client.on_connect = lambda _c, _u, _f, code, _p: self.connected.append(code)
        self._client.on_publish = lambda _c, _u, mid, code, _p: self.answers.update({mid: code})
        self._client.on_subscribe = lambda _c, _u, mid, _codes, _p: self.subscribed.add(mid)
        self._client.on_message = lambda _c, _u, message: self.received.append(message.topic)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    async def ready(self) -> "Client":
        await until(lambda: bool(self.connected), WITHIN_S)
        assert not self.connected[-1].is_failure
        return self

    async def may_write(self, topic: str) -> bool:
        """Publish, and see whether the broker took it."""
        mid = self._client.publish(topic, b"x", qos=1).mid
        await until(lambda: mid in self.answers, WITHIN_S)
        return not self.answers[mid].is_failure

    async def listen(self, topic: str) -> None:
        mid = self._client.subscribe(topic, qos=1)[1]
        await until(lambda: mid in self.subscribed, WITHIN_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


OURS = "groundwatch/v1/west-pond"
MAY = {
    "groundwatch": [f"{OURS}/dam-box/down/{SESSION}", f"{OURS}/hill-gateway/answers"],
    "dam-box": [f"{OURS}/dam-box/up/{SESSION}", "spBv1.0/west-pond/NCMD/weather"],
    "hill-gateway": [f"{OURS}/hill-gateway/readings"],
    "g-21": ["west-pond/gnss/g-21"],
    "weather": ["spBv1.0/west-pond/NBIRTH/weather", "spBv1.0/west-pond/DDATA/weather/rain-1"],
}
MAY_NOT = {
    "groundwatch": [f"{OURS}/hill-gateway/readings", f"{OURS}/dam-box/up/{SESSION}"],
    "dam-box": [
        f"{OURS}/other/up/{SESSION}",
        f"{OURS}/dam-box/down/{SESSION}",
        "west-pond/gnss/g-21",
    ],
    "hill-gateway": [
        f"{OURS}/dam-box/readings",
        f"{OURS}/hill-gateway/answers",
        "west-pond/gnss/g-21",
    ],
    "g-21": ["west-pond/gnss/g-22", f"{OURS}/hill-gateway/readings"],
    "weather": ["spBv1.0/west-pond/NCMD/weather", "spBv1.0/west-pond/NBIRTH/other"],
}


async def test_the_access_list_lets_each_say_its_own_and_nothing_else(broker_port: int) -> None:
    for user in USERS:
        client = await Client(user, broker_port).ready()
        try:
            assert [one for one in MAY[user] if not await client.may_write(one)] == []
            assert [one for one in MAY_NOT[user] if await client.may_write(one)] == []
        finally:
            client.close()


async def test_the_access_list_lets_each_hear_what_it_needs(broker_port: int) -> None:
    clients = {user: await Client(user, broker_port).ready() for user in USERS}
    gateway, edge, centre = (clients[one] for one in ("hill-gateway", "dam-box", "groundwatch"))
    try:
        for client in clients.values():
            await client.listen("#")
        await gateway.may_write(f"{OURS}/hill-gateway/readings")
        await clients["g-21"].may_write("west-pond/gnss/g-21")
        await centre.may_write(f"{OURS}/dam-box/down/{SESSION}")
        await until(lambda: f"{OURS}/dam-box/down/{SESSION}" in edge.received, WITHIN_S)
        await until(lambda: bool(centre.received), WITHIN_S)
    finally:
        for client in clients.values():
            client.close()
    assert edge.received == ["west-pond/gnss/g-21", f"{OURS}/dam-box/down/{SESSION}"]
    assert centre.received == [f"{OURS}/hill-gateway/readings"]
    assert clients["g-21"].received == gateway.received == []


@pytest.mark.parametrize("name", ["mosquitto.acl", "mosquitto.conf"])
def test_a_broker_file_says_where_it_belongs(name: str) -> None:
    text = (CONFIG / name).read_text(encoding="utf-8")
    assert "/etc/mosquitto/" in text
