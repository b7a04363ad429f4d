"""A receiver of webhooks, as a consumer of alarms would write it: it verifies every signature."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BODY_BYTES_MAX = 1 << 20


class WebhookSink:
    """Receives on a free loopback port, in a thread of its own."""

    def __init__(self, secret: str) -> None:
        self.delivered: Counter[str] = Counter()  # By webhook-id; a repeat counts again.
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._receiver(secret))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self._server.server_port}/alarms"

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def stop(self) -> None:
        """Receive no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _receiver(self, secret: str) -> type[BaseHTTPRequestHandler]:
        sink = self
        verifier = Webhook(secret)

        class Receiver(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                """Verify and count."""
                length = min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX)
                body = self.rfile.read(length)
                try:
                    verifier.verify(body, {k.lower(): v for k, v in self.headers.items()})
                except WebhookVerificationError:
                    sink.refused += 1
                    self.send_response(401)
                else:
                    sink.delivered[self.headers["webhook-id"]] += 1
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Receiver
