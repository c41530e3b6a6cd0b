"""Which addresses an upstream may turn out to have: a name says where to call, and whoever runs its DNS says where that is."""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE_NAMES: Final = (".internal", ".local", ".localhost", ".lan", ".home.arpa", ".svc", ".test")
"""How names end that are not looked up in the public DNS."""

_CREDENTIALS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
    )
)
"""Where machines in a cloud ask for credentials of their own, and link-local addresses altogether: no model API."""

_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones (RFC 6052)."""


class Reach(enum.Enum):
    """How far from the public Internet an upstream's addresses may be."""

    __hash__ = object.__hash__  # enum's own is written in Python

    PUBLIC = "public"
    NEAR = "near"
    ANY = "any"

    def allows(self, address: str) -> bool:
        """Whether an upstream with this reach may have this address."""
        if self is Reach.ANY:
            return True
        forms = _forms(ipaddress.ip_address(address.partition("%")[0]))
        if any(form in network for form in forms for network in _CREDENTIALS):
            return False
        return self is Reach.NEAR or all(_is_public(form) for form in forms)


def reach_of(host: str, allow_private: bool | None) -> Reach:
    """What the policy allows of a host: a private address where it says so, or where the host as it is written has one
    anyway. None: it says nothing."""
    match allow_private:
        case True:
            return Reach.ANY
        case False:
            return Reach.PUBLIC
        case None:
            return Reach.NEAR if is_near(host) else Reach.PUBLIC


def is_near(host: str) -> bool:
    """Whether a host is this machine or stands in a private network, as far as its name tells."""
    address = written_address(host)
    if address is None:
        return "." not in host or host.endswith(PRIVATE_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local


def written_address(host: str) -> Address | None:
    """The address that a host is written as; None where it is a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _forms(address: Address) -> list[Address]:
    """An address, and the one of IPv4 that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _TRANSLATED:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    tunnelled = [address.sixtofour, *(address.teredo or ())]
    return [address, *(each for each in tunnelled if each is not None)]


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved
