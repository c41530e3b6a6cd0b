"""What is reached over the network: the shared ledger, and the upstreams that a policy names, as far as DNS and TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from routebook.catalogue.providers import Provider
from routebook.catalogue.reach import reach_of
from routebook.edge.connections import Origin
from routebook.edge.doctor.finding import Finding, fail, ok, warn
from routebook.edge.ledger.store_address import BadAddress, read_address
from routebook.edge.ledger.store_line import ClientMissing, Server, StoreFailure, StoreLine

SECONDS: Final = 5.0
"""How long a name, a connection or a handshake may take."""

DAY: Final = 86400.0
SOON: Final = 14 * DAY
"""Seconds before its end from which a certificate is worth a warning."""

_PORTS: Final = {"http": 80, "https": 443}


async def shared_ledger(url: str) -> Finding:
    """Whether the store answers in time, and keeps what it is told."""
    try:
        address = read_address(url)
        line = StoreLine(address)
    except (BadAddress, ClientMissing) as error:
        return fail("shared-ledger", str(error), "put `--shared-ledger` right, or install what is missing")
    try:
        began = time.perf_counter()
        await line.open()
        seconds = time.perf_counter() - began
    except StoreFailure as failure:
        advice = "until it answers, each budget does what its `on_store_down` says"
        return fail("shared-ledger", f"{address}: {failure.reason}", advice)
    finally:
        await line.close()
    assert line.server is not None
    return judged_store(str(address), line.server, seconds, address.timeout)


def judged_store(where: str, server: Server, seconds: float, timeout: float) -> Finding:
    """What a store is worth that was connected to within so many seconds; requests wait for it `timeout` at most."""
    said = f"{where}: version {server.version}, connected in {seconds * 1000:.1f} ms"
    if server.evicts:
        advice = "set `maxmemory-policy noeviction`: what is evicted is a budget that begins anew"
        return fail("shared-ledger", f"{said}; it drops keys when memory is short", advice)
    if not server.appends:
        advice = "set `appendonly yes`: hosts tell again what they know, those that are gone by then do not"
        return warn("shared-ledger", f"{said}; what it was told may be lost with its end", advice)
    if seconds > timeout / 2:
        advice = "bring it nearer, or allow more with `?timeout_ms=` in its URL"
        return warn("shared-ledger", f"{said}, of {timeout * 1000:.0f} ms that a request waits", advice)
    return ok("shared-ledger", said)


async def upstreams(providers: Iterable[Provider], now: float) -> list[Finding]:
    """Every place that providers name, each looked at once and all at the same time."""
    places: dict[Origin, list[str]] = {}
    for provider in providers:
        parts = urlsplit(provider.base_url)
        host = parts.hostname or ""
        reach = reach_of(host, provider.allow_private)
        origin = Origin(host, parts.port or _PORTS[parts.scheme], parts.scheme == "https", reach)
        places.setdefault(origin, []).append(provider.name)
    looked = await asyncio.gather(*(_upstream(origin, ", ".join(names), now) for origin, names in places.items()))
    return [finding for findings in looked for finding in findings]


async def _upstream(origin: Origin, names: str, now: float) -> list[Finding]:
    """The name, then the connection with its certificate."""
    try:
        async with asyncio.timeout(SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return [fail("dns", f"`{origin.host}` is not looked up within {SECONDS:g} s", "look at the resolver", names)]
    except OSError as error:
        says = f"`{origin.host}` is not known: {error.strerror}"
        return [fail("dns", says, "correct the `base_url`, or the resolver of this machine", names)]
    addresses = sorted({str(place[0]) for *_, place in found})
    shown = f"`{origin.host}` is {', '.join(addresses[:4])}" + (" ..." if len(addresses) > 4 else "")
    if not any(origin.reach.allows(address) for address in addresses):
        advice = "write `allow_private: true` for it if that is meant; until then it is not called"
        return [fail("dns", f"{shown}, which is no public address", advice, names)]
    return [ok("dns", shown, names), await _connected(origin, names, now, addresses)]


async def _connected(origin: Origin, names: str, now: float, addresses: Sequence[str]) -> Finding:
    check = "tls" if origin.encrypted else "connection"
    trust = ssl.create_default_context() if origin.encrypted else None
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=trust)
    except ssl.SSLCertVerificationError as error:
        advice = "upstreams with such certificates are not called; install the authority, or correct the name"
        return fail(check, f"the certificate is not trusted: {error.verify_message}", advice, names)
    except ssl.SSLError as error:
        return fail(check, f"no TLS with {origin.host}:{origin.port}: {error.reason}", "is it `http:`?", names)
    except TimeoutError:
        return fail(
            check, f"no connection within {SECONDS:g} s", "look at the firewall, or a proxy that it needs", names
        )
    except OSError as error:
        return fail(check, f"no connection: {error.strerror or error}", "is it running, and at this port?", names)
    certificate, spoken = writer.get_extra_info("peercert"), writer.get_extra_info("ssl_object")
    writer.transport.abort()
    if certificate is None:
        return _unencrypted(names, addresses)
    return judged_certificate(ssl.cert_time_to_seconds(certificate["notAfter"]) - now, spoken.version(), names)


def _unencrypted(names: str, addresses: Sequence[str]) -> Finding:
    if all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses):
        return ok("connection", "it answers, on this machine", names)
    advice = "keys and prompts go over the network for all to read: use `https:`, or a network that is yours alone"
    return warn("connection", "it answers, without TLS", advice, names)


def judged_certificate(left: float, version: str, names: str) -> Finding:
    """What a trusted certificate is worth that is valid for so many seconds more."""
    says = f"{version}, a trusted certificate for {left / DAY:,.0f} days more"
    if left < SOON:
        return warn("tls", says, "whoever runs it must renew it", names)
    return ok("tls", says, names)
