"""An issuer of bearer tokens: keys of its own, the set of public ones that it publishes, and tokens as a test wants them."""

from __future__ import annotations

import json
import warnings
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER = "https://login.example.com"
AUDIENCE = "routebook"
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@cache
def rsa_key(name: str, bits: int = 2048) -> RSAKey:
    """An RSA key of this name, made once for all tests."""
    with warnings.catch_warnings(action="ignore"):  # a short one is wanted
        return RSAKey.generate_key(bits, {"kid": name})


@cache
def ec_key(name: str, curve: str = "P-256") -> ECKey:
    """A key on an elliptic curve of this name, made once for all tests."""
    return ECKey.generate_key(curve, {"kid": name})


def published(*keys: Any, more: tuple[object, ...] = ()) -> bytes:
    """A key set of public keys; `more` entries stand in it as they are."""
    return json.dumps({"keys": [*(key.as_dict(private=False) for key in keys), *more]}).encode()


def claims(now: float, **more: Any) -> dict[str, Any]:
    """What an honest token says for an hour from now; `more` is laid over it, None takes a claim away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 3600.0}
    return {name: value for name, value in {**usual, **more}.items() if value is not None}


def signed(said: object, key: Any, algorithm: str = "RS256", **head: Any) -> str:
    """A token with this key's signature; `head` is laid over `alg` and `kid`, None takes an entry away."""
    entries = {"alg": algorithm, "kid": key.kid, **head}
    written = {name: value for name, value in entries.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 1 << 20
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return jws.serialize_compact(written, payload, key, registry=registry)


def unsigned(head: object, said: object, signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = [json.dumps(part).encode() for part in (head, said)] + [signature]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
