"""Whether an address is this machine's own, where strangers are not listening in."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host, as an address or as the name localhost, is this machine itself.

    A socket for both families shows callers over IPv4 as ``::ffff:127.0.0.1``.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost")]
    [True, True, True, True]
    >>> [is_loopback(host) for host in ("10.0.0.7", "::ffff:10.0.0.7", "mine.example", "")]
    [False, False, False, False]
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
