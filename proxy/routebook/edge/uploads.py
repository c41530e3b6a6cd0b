"""Forms with a file in them, on their way: read as far as a decision needs, then passed on as they come.

A decision needs the model's name and whatever fields the policy asks about. Where they stand before the file, as most
clients put them, the file is passed on as it arrives: nobody holds it, and whoever sends faster than the upstream takes
is made to wait. Where they stand behind it, what has come is kept meanwhile, in memory and beyond that on disk, without
a name there. A form that fits into memory (`settings.forms`) is kept until it has been answered, so that another model
can be tried; one that is larger and has been passed on cannot be sent again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Collection
from typing import IO, Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from routebook.edge.answers import Failure
from routebook.edge.deadlines import Deadlines, Wait
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.form import FIRST, FormReader, boundary_of
from routebook.routing.policy import Settings

PIECE: Final = 64 * 1024
"""Bytes of what was kept that are sent at once."""

UNFINISHED: Final = "the form ends before its closing boundary"


class Upload:
    """One form. `content_type` is the client's; `received` how many bytes have come."""

    def __init__(self, request: web.BaseRequest, settings: Settings) -> None:
        self.content_type = request.headers.get("Content-Type", "")
        self.form = FormReader(boundary_of(self.content_type))
        self.received = 0
        self._content = request.content
        self._declared = request.content_length
        self._settings = settings
        self._memory: bytearray | None = bytearray()
        self._disk: IO[bytes] | None = None
        self._wanted: frozenset[str] = frozenset()
        self._adds_model = False
        self._streams = False

    def __repr__(self) -> str:
        return f"<Upload of {self.received} bytes, {self.held}>"

    @property
    def held(self) -> str:
        """Where what has come of it is: in `memory`, on `disk`, or `nowhere`: it has been passed on."""
        return "disk" if self._disk is not None else "memory" if self._memory is not None else "nowhere"

    @property
    def is_spent(self) -> bool:
        """Whether it has been passed on and cannot be sent again."""
        return self.held == "nowhere"

    @property
    def is_here(self) -> bool:
        """Whether all of it has come."""
        return self._content.at_eof()

    @property
    def size(self) -> int:
        """The bytes of the whole form: what the client declared, else what has come."""
        return self.received if self._declared is None or self.is_here else max(self._declared, self.received)

    @property
    def file_size(self) -> int:
        """The bytes of its file at most: all that has not come may be of it."""
        if not self.form.in_file:
            return self.form.size
        most = self._settings.max_body if self._declared is None else self._declared
        return self.form.size + max(0, most - self.received + self.form.behind - self.form.ending)

    def line(self) -> dict[str, Any]:
        """What a record says of it: its bytes, where they were, and whether it went upstream while it still came."""
        return {"bytes": self.received, "held": self.held, "streamed": self._streams}

    async def read_to_decide(self, wanted: Collection[str]) -> None:
        """Read until these fields are known, or all of it has come; raises Failure and ProtocolError."""
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                self._wanted = frozenset(wanted)
                while not self._is_decidable and await self._more():
                    pass
        except TimeoutError:
            raise Failure("request.slow", f"the form did not come within {self._settings.body_timeout:g} s") from None
        self._adds_model = "model" not in self.form.fields
        self._streams = not self.is_here

    async def pieces(self, model: str, deadlines: Deadlines) -> AsyncIterator[bytes]:
        """The whole form with this name of the model in it, as it comes; raises Failure and ProtocolError for what is
        wrong with the client's."""
        for piece in self._edited(model):
            deadlines.waits_for(Wait.HEAD)
            yield piece
        while True:
            deadlines.waits_for(Wait.CLIENT)
            chunk = await self._more(passes=True)
            deadlines.waits_for(Wait.HEAD)
            if not chunk:
                return
            yield chunk

    def length(self, model: str) -> int | None:
        """The bytes of the form with this name of the model; None where nobody knows before its end."""
        if self._declared is None and not self.is_here:
            return None
        start, end = self.form.spans.get("model", (0, 0))
        return self.size - (end - start) + len(self._named(model))

    def close(self) -> None:
        """Let go of what was kept."""
        self._memory = None
        if self._disk is not None:
            self._disk.close()
            self._disk = None

    @property
    def _is_decidable(self) -> bool:
        """Whether all that a decision needs stands before the file, and enough of that is here to tell its length."""
        form = self.form
        return form.in_file and len(form.first) >= FIRST and self._wanted <= form.fields.keys()

    async def _more(self, passes: bool = False) -> bytes:
        """Some more of it, kept where there is room; nothing at its end."""
        try:
            chunk = await self._content.readany()
        except (web.RequestPayloadError, HttpProcessingError):
            raise Failure("request.malformed", "the body is not framed as HTTP/1.1 has it") from None
        if not chunk:
            if not self.form.is_whole:
                raise ProtocolError(Side.CLIENT, UNFINISHED)
            return b""
        self.received += len(chunk)
        if self.received > self._settings.max_body:
            most = self._settings.max_body
            raise Failure("request.too-large", f"the form is larger than the {most} bytes that are accepted")
        self.form.feed(chunk)
        self._keep(chunk, passes)
        if passes and self._adds_model and "model" in self.form.fields:
            raise ProtocolError(Side.CLIENT, "`model` stands in the path and behind the file", param="model")
        return chunk

    def _keep(self, chunk: bytes, passes: bool) -> None:
        room = self._settings.forms
        fits = self._memory is not None and len(self._memory) + len(chunk) <= room.memory
        if self._memory is not None and (fits or (not passes and self._is_decidable)):
            self._memory += chunk
        elif passes:
            self.close()
        elif self._disk is not None and self.received <= room.disk:
            self._disk.write(chunk)
        elif self.received > room.disk:
            raise Failure(
                "request.form-order",
                "the fields stand behind a file that is too large to be kept: put `model` and all others before `file`",
                param="file",
            )
        elif self._memory is not None:
            self._disk = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the exchange
            self._disk.write(self._memory)
            self._disk.write(chunk)
            self._memory = None

    def _named(self, model: str) -> bytes:
        """What stands for the model: its name in its field's place, or a whole field where the form has none."""
        return self.form.part("model", model) if self._adds_model else model.encode()

    def _edited(self, model: str) -> list[bytes] | _Stored:
        """What is kept, with the name of the model put in."""
        span, name = self.form.spans.get("model", (0, 0)), self._named(model)
        if self._memory is not None:
            kept = bytes(self._memory)
            return [kept[: span[0]] + name + kept[span[1] :]] if kept else []
        return _Stored(self._disk, span, name) if self._disk is not None else []


class _Stored:
    """A form on disk, read piece by piece, with other bytes in the place of some."""

    def __init__(self, file: IO[bytes], span: tuple[int, int], name: bytes) -> None:
        self._file = file
        self._span = span
        self._name = name

    def __iter__(self) -> Any:
        self._file.seek(0)
        left = self._span[0]
        while left and (piece := self._file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
        yield self._name
        self._file.seek(self._span[1])
        while piece := self._file.read(PIECE):
            yield piece


async def receive(request: web.BaseRequest, settings: Settings) -> Upload:
    """The form of a request, of which nothing has been read; raises Failure and ProtocolError."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Failure("request.encoded", "a body with `Content-Encoding` is not accepted")
    declared = request.content_length
    if declared is not None and declared > settings.max_body:
        most = settings.max_body
        raise Failure("request.too-large", f"the form is larger than the {most} bytes that are accepted")
    upload = Upload(request, settings)
    if "Expect" in request.headers:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    return upload
