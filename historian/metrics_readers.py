"""Who may read a service's counters, also while nobody can be looked up."""

import hashlib

from historian.tokens import Scope, Token


class MetricsReaders:
    """Tokens that were good for the counters when they were last looked up.

    Counters tell of all sites, so they are for tokens of all sites. Without the database no token
    can be verified, and just then the counters are wanted most: whoever was let in before is let
    in until the database is back. Only hashes are kept, and only of good tokens.
    """

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def admit(self, sent: str, token: Token | None) -> bool:
        """Judge a token that was looked up, None if it is not good."""
        may = token is not None and token.scope is not Scope.EDGE and token.site is None
        if may:
            self._known.add(_digest(sent))
        else:
            self._known.discard(_digest(sent))
        return may

    def knows(self, sent: str) -> bool:
        """Judge a token that can't be looked up."""
        return _digest(sent) in self._known


def _digest(sent: str) -> bytes:
    return hashlib.sha256(sent.encode("utf-8", errors="surrogatepass")).digest()
