"""Telling another system by HTTP, signed as Standard Webhooks prescribes."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import standardwebhooks

from alarms.notify.destinations import Webhook, read_secret
from alarms.notify.retry import Failure, failure_of_status
from alarms.outbox import Message
from telemetry.clock import instant_at
from telemetry.planted import planted

CONNECT_TIMEOUT_S = 5.0
TRY_TIMEOUT_S = 10.0  # The whole try, so that an answer in drops cannot hold the task.
USER_AGENT = "Groundwatch"


@dataclass(frozen=True, slots=True)
class Try:
    """How one try went; no failure means that the message was taken."""

    failure: Failure | None
    error: str = ""
    asked_pause_s: float | None = None


class WebhookSender:
    """One destination and the connection that is kept open to it."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._signer = standardwebhooks.Webhook(read_secret(webhook))
        # The environment's proxies are not used: what leaves a mine is named in its file.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(TRY_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
            proxy=webhook.proxy,
            headers={"user-agent": USER_AGENT},
        )

    async def send(self, message: Message, *, real_us: int) -> Try:
        """Try once to hand a message over; real_us dates the signature."""
        content = content_of(message)
        at = instant_at(real_us)
        message_id = message.message_id
        if planted("fresh_delivery_id"):
            message_id = f"msg_{uuid4().hex}"
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(real_us // 1_000_000),
            "webhook-signature": self._signer.sign(message_id, at, content),
        }
        try:
            async with (
                asyncio.timeout(TRY_TIMEOUT_S),
                self._client.stream(
                    "POST", self._webhook.url, content=content.encode(), headers=headers
                ) as response,
            ):
                return _judge(response)
        except TimeoutError:
            return Try(Failure.UNAVAILABLE, f"no answer within {TRY_TIMEOUT_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            return Try(Failure.UNAVAILABLE, f"the request failed: {reason}")

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def content_of(message: Message) -> str:
    """Write a message's JSON: the same bytes on every try."""
    entry = message.entry
    data: dict[str, Any] = {"site": message.site}
    for key, value in entry.items():
        if key in {"sampled_us", "stored_us"}:
            data[key.removesuffix("_us") + "_at"] = _text_of(value)
        else:
            data[key] = value
    document = {
        "type": f"alarm.{entry['change']}",
        "timestamp": data["sampled_at"],
        "data": data,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _text_of(us: int) -> str:
    return instant_at(us).isoformat().replace("+00:00", "Z")


def _judge(response: httpx.Response) -> Try:
    failure = failure_of_status(response.status_code)
    if failure is None:
        return Try(None)
    asked = response.headers.get("retry-after", "")
    return Try(
        failure,
        f"the destination answered {response.status_code}",
        asked_pause_s=float(asked) if asked.isascii() and asked.isdigit() else None,
    )
