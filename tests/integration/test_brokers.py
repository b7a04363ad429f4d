"""The brokers of the tests: they start, keep what they promised, and talk with others' clients."""

import subprocess
from pathlib import Path

import aiomqtt
import pytest
from broker import KINDS, running_broker
from peers import peer


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_runs_and_is_there_again_after_a_kill(kind: str, tmp_path: Path) -> None:
    with running_broker(kind, tmp_path / "broker") as broker:
        for payload in (b"before", b"after"):
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.subscribe("dam/1", qos=1)
                await client.publish("dam/1", payload, qos=1)
                message = await anext(client.messages)
                assert (message.topic.value, message.payload) == ("dam/1", payload)
            broker.kill()
            broker.start()


@pytest.mark.parametrize("kind", KINDS)
async def test_who_does_not_know_the_password_is_refused(kind: str, tmp_path: Path) -> None:
    with running_broker(kind, tmp_path / "broker", password=("edge", "secret")) as broker:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", broker.port, username="edge", password="no"):
                pass
        async with aiomqtt.Client("127.0.0.1", broker.port, username="edge", password="secret"):
            pass


@pytest.mark.parametrize("kind", KINDS)
def test_mosquitto_clients_get_on_with_it(kind: str, tmp_path: Path) -> None:
    publish = peer("mosquitto_pub")
    subscribe = peer("mosquitto_sub")
    with running_broker(kind, tmp_path / "broker") as broker:
        address = ["-h", "127.0.0.1", "-p", str(broker.port), "-t", "dam/1", "-q", "1"]
        subprocess.run([publish, *address, "-r", "-m", "12.5"], check=True, timeout=20)
        found = subprocess.run(
            [subscribe, *address, "-C", "1", "-W", "15"],
            check=True, timeout=20, capture_output=True, text=True,
        )  # fmt: skip
        assert found.stdout == "12.5\n"
