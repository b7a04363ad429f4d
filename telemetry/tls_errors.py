"""What it means when two machines don't agree on a secured line: a sentence with the remedy.

Each side sees something else. Who verifies is told by OpenSSL why a certificate is not good
enough; who is refused gets one word, an alert.
"""

import ssl
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a line was not made."""

    reason: str  # A short word, as counted in the metrics.
    sentence: str


NOT_YET = Trouble(
    "not_yet_valid",
    "the certificate is not valid yet: set the clocks of both machines, this one's first",
)
UNKNOWN_AUTHORITY = Trouble(
    "unknown_authority",
    "the certificate is not signed by an authority that is known here: name the file of the "
    "authority that signed it (--authority at an edge, --client-authority at a centre)",
)
EXPIRED = Trouble(
    "expired",
    "the certificate has expired, or this machine's clock is wrong: renew it (a centre's with "
    "`groundwatch ca server`, an edge's by enrolling the edge again), or set the clock",
)
OTHER_HOST = Trouble(
    "other_host",
    "the certificate is for other hosts than the one that was called: call it by a name in its "
    "certificate, or make one that has this name (`groundwatch ca server --host`)",
)
NOT_GOOD = Trouble("not_good", "the certificate is not good for this")

# OpenSSL's X509_V_ERR_…, from its manual page X509_STORE_CTX_get_error(3).
_BY_VERIFY_CODE: Final = {
    9: NOT_YET,
    10: EXPIRED,
    18: UNKNOWN_AUTHORITY,  # self-signed
    19: UNKNOWN_AUTHORITY,  # self-signed in the chain
    20: UNKNOWN_AUTHORITY,  # no issuer
    21: UNKNOWN_AUTHORITY,  # first certificate can't be verified
    62: OTHER_HOST,
    64: OTHER_HOST,  # by address
}
_REFUSED_BY_OTHER = "the other side refuses our certificate: "
_BY_REASON: Final = {
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": Trouble(
        "ours_expired",
        _REFUSED_BY_OTHER + "it has expired (or the clock over there is wrong): renew it",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": Trouble(
        "ours_unknown",
        _REFUSED_BY_OTHER
        + "it does not know the authority that signed it: give it that authority's certificate",
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": Trouble(
        "ours_refused", _REFUSED_BY_OTHER + "it is not good for this: see the log over there"
    ),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": Trouble(
        "ours_refused", _REFUSED_BY_OTHER + "see the log over there"
    ),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": Trouble(
        "ours_refused", _REFUSED_BY_OTHER + "it is revoked: enrol this edge again"
    ),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": Trouble(
        "ours_refused", _REFUSED_BY_OTHER + "it is made for something else"
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": Trouble(
        "ours_missing", "the other side asks for a certificate of ours: give --certificate, --key"
    ),
    "HTTP_REQUEST": Trouble(
        "plain", "the other side spoke without encryption: it must call wss:// or https://"
    ),
    "WRONG_VERSION_NUMBER": Trouble(
        "plain",
        "the other side spoke without encryption: give the centre a certificate, or, on one "
        "machine, call ws://",
    ),
    "UNSUPPORTED_PROTOCOL": Trouble(
        "old", "the other side knows only versions of TLS before 1.2: update it"
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": Trouble(
        "old", "the other side takes no version of TLS that we speak: update the older of both"
    ),
    "NO_SHARED_CIPHER": Trouble("old", "the other side knows no cipher that we trust: update it"),
}
_BY_REASON["RECORD_LAYER_FAILURE"] = _BY_REASON["WRONG_VERSION_NUMBER"]


def trouble_of(error: BaseException) -> Trouble | None:
    """Find out what a failure of TLS means, also one that lies under another error.

    None when the failure is not about TLS at all.
    """
    found: BaseException | None = error
    for _ in range(8):
        if found is None:
            return None
        if isinstance(found, ssl.SSLCertVerificationError):
            return _of_verification(found)
        if isinstance(found, ssl.SSLError):
            return _of_other(found)
        found = found.__cause__ or found.__context__
    return None


def _of_verification(error: ssl.SSLCertVerificationError) -> Trouble:
    known = _BY_VERIFY_CODE.get(error.verify_code)
    if known is not None:
        return Trouble(known.reason, f"{known.sentence} ({error.verify_message})")
    return Trouble(NOT_GOOD.reason, f"{NOT_GOOD.sentence}: {error.verify_message}")


def _of_other(error: ssl.SSLError) -> Trouble:
    known = _BY_REASON.get(error.reason or "")
    if known is not None:
        return known
    said = (error.reason or str(error)).replace("_", " ").lower()
    return Trouble("other", f"no secured line could be made: {said}")
