"""What a client's certificate says of whoever opened the connection: the names in it, each with its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from routebook.catalogue.callers import CERTIFICATE_NAMES

_KINDS: Final = {said: kind for kind, said in CERTIFICATE_NAMES.items()}


def certified_names(request: web.BaseRequest) -> Iterator[str]:
    """The names in the certificate that the connection was opened with, as a policy writes them (`dns:web.internal`);
    none where there is no certificate. The handshake has verified it, or there would be no request."""
    shown = request.transport.get_extra_info("peercert") if request.transport is not None else None
    if not shown:
        return
    yield from _written(shown.get("subjectAltName", ()))
    for names in shown.get("subject", ()):
        yield from _written(names)


def _written(names: Any) -> Iterator[str]:
    for said, value in names:
        if (kind := _KINDS.get(said)) is not None:
            yield f"{kind}:{value.lower() if kind == 'dns' else value}"
