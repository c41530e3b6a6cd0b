"""The public keys of token issuers (JWKS), from a file or fetched in the background, kept for all policies of a worker.

Nothing waits for a fetch: while keys are not known, their issuer's tokens cannot be verified, and nobody gets in by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import orjson

from routebook.catalogue.callers import KeySetFile, KeySetSource, KeySetUrl
from routebook.edge.identity.watched import Unreadable, Watched
from routebook.edge.operations_log import operations_log

MOST_BYTES: Final = 256 * 1024
"""A key set that is larger is none."""

FETCH_SECONDS: Final = 5.0
"""How long a fetch may take in all."""

RENEW_SECONDS: Final = 600.0
"""Keys that are older are fetched again when a token asks for one."""

RETRY_SECONDS: Final = 5.0
"""Between two attempts while no keys are known."""

UNKNOWN_SECONDS: Final = 30.0
"""Between two fetches for the sake of keys that are not in the set: anybody can make those up."""

STALE_SECONDS: Final = 86_400.0
"""Keys that could not be fetched again for so long are trusted no more."""

RSA_BITS: Final = 2048
"""Shorter RSA keys are ignored."""

HEADERS: Final = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "routebook",
}
"""How keys are asked for: plain, by a program without versions."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Lets something go on in the background."""


class PublicKeys:
    """One state of a key set. Keys that are for something else, or of a kind that is not taken, are left out."""

    def __init__(self, content: bytes) -> None:
        """Read a key set; raises ValueError where it is none."""
        try:
            listed = orjson.loads(content)["keys"]
        except (orjson.JSONDecodeError, TypeError, KeyError, RecursionError):
            raise ValueError("not a key set") from None
        self._keys = [key for each in listed if isinstance(each, dict) and (key := _imported(each)) is not None]

    def __repr__(self) -> str:
        return f"<PublicKeys {len(self._keys)}>"

    def find(self, name: str | None, algorithm: str) -> Any | None:
        """The key of this id (`kid`) for an algorithm. A token that names none may mean the only one there is."""
        fit = [key for key in self._keys if _is_for(key, algorithm) and (name is None or key.kid == name)]
        return fit[0] if len(fit) == 1 or (fit and name is not None) else None


class KeySet(Protocol):
    """Where an issuer's keys come from. Times are monotonic seconds."""

    def known(self, now: float) -> PublicKeys | None:
        """The keys as they are known now; None where they are not."""

    def wants(self, now: float) -> bool:
        """A key is asked for that is not in the set: whether it may be there in a moment."""


class KeySets:
    """The key sets of a worker, each known once however many clients and policies name it."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._sets: dict[KeySetSource, KeySet] = {}

    def __repr__(self) -> str:
        return f"<KeySets {len(self._sets)}>"

    def of(self, source: KeySetSource) -> KeySet:
        """The keys of this source; they begin to be fetched when they are first asked for."""
        found = self._sets.get(source)
        if found is None:
            match source:
                case KeySetFile(path):
                    found = _OfFile(path)
                case KeySetUrl(url):
                    found = _OfUrl(url, self._spawn)
            self._sets[source] = found
        return found


class _OfFile:
    def __init__(self, path: str) -> None:
        self._file: Watched[PublicKeys | None] = Watched(Path(path), PublicKeys, None, MOST_BYTES)

    def known(self, now: float) -> PublicKeys | None:
        try:
            return self._file.latest(now)
        except Unreadable:
            return None

    def wants(self, now: float) -> bool:
        return False


class _OfUrl:
    def __init__(self, url: str, spawn: Spawn) -> None:
        self._url = url
        self._spawn = spawn
        self._keys: PublicKeys | None = None
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching = False
        self._fault: str | None = None

    def known(self, now: float) -> PublicKeys | None:
        pause = RETRY_SECONDS if self._keys is None else UNKNOWN_SECONDS
        if now - self._fetched_at > RENEW_SECONDS and now - self._asked_at > pause:
            self._fetch(now)
        return self._keys if now - self._fetched_at < STALE_SECONDS else None

    def wants(self, now: float) -> bool:
        if not self._fetching and now - self._asked_at > UNKNOWN_SECONDS:
            self._fetch(now)
        return self._fetching

    def _fetch(self, now: float) -> None:
        if not self._fetching:
            self._fetching, self._asked_at = True, now
            self._spawn(self._refresh(now))

    async def _refresh(self, now: float) -> None:
        try:
            self._keys = PublicKeys(await _fetched(self._url))
            self._fetched_at = now
            self._tell(None)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._tell(str(error) if isinstance(error, ValueError) else type(error).__name__)
        finally:
            self._fetching = False

    def _tell(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            operations_log().error("public keys not fetched", url=self._url, reason=fault, does="tries again")
        elif fault is None:
            operations_log().info("public keys fetched", url=self._url)
        self._fault = fault


async def _fetched(url: str) -> bytes:
    """What stands at an address, within limits of time and size; redirects are not followed. Raises ValueError."""
    async with (
        asyncio.timeout(FETCH_SECONDS),
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(url, headers=HEADERS, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        content = b""
        async for part in answer.content.iter_any():
            content += part
            if len(content) > MOST_BYTES:
                raise ValueError(f"larger than {MOST_BYTES} bytes")
        return content


def _imported(written: Mapping[str, Any]) -> Any | None:
    """A key for signatures that only its owner can make; None for any other, and for what is no key."""
    from joserfc.jwk import ECKey, RSAKey

    if written.get("use", "sig") != "sig" or "verify" not in written.get("key_ops", ("verify",)):
        return None
    try:
        match written.get("kty"):
            case "RSA" if len(written["n"]) * 6 >= RSA_BITS:  # six bits a character; the library warns of short ones
                key = RSAKey.import_key({name: written[name] for name in ("kty", "n", "e")}, _named(written))
                return key if key.raw_value.key_size >= RSA_BITS else None
            case "EC":
                return ECKey.import_key({name: written[name] for name in ("kty", "crv", "x", "y")}, _named(written))
    except Exception:  # noqa: BLE001 - whatever the library raises for what is no key, it is none
        return None
    return None


def _named(written: Mapping[str, Any]) -> Any:
    return {name: written[name] for name in ("kid", "alg") if isinstance(written.get(name), str)}


_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _is_for(key: Any, algorithm: str) -> bool:
    if key.alg is not None and key.alg != algorithm:
        return False
    if key.key_type == "RSA":
        return algorithm[:2] in ("RS", "PS")
    return bool(_CURVES.get(algorithm) == key.curve_name)
