"""Sound that has to be coded anew on its way: one process of the declared transcoder for each piece of it.

A process of its own, and no library inside the worker: a codec in C that a file brings down takes nothing with it but
itself. It is given no environment, no file and no network, bounds on memory and processor time, and comes behind those
that serve. What goes in and comes out goes through pipes; it is killed where its time is over or nobody waits any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
from typing import Final

import structlog

from routebook.edge.faults import CallFailed
from routebook.routing.policy import Transcoding
from routebook.sound.forms import PCM16, Coded, Form, Samples, Wav
from routebook.sound.transcoding import command
from routebook.sound.wav import SoundError

PIECE: Final = 64 * 1024
"""Bytes that are given to a process, or taken from it, at once."""

MEMORY: Final = 1 << 30
"""Address space of a process; its program alone may have 200 MiB."""

DESCRIPTORS: Final = 32
NICENESS: Final = 5

LAST_WORDS: Final = 300
"""Bytes of its complaints that are kept, for the operator's log."""

UNAVAILABLE: Final = "gateway.transcoder"

_log = structlog.get_logger()


class Transcoder:
    """What a policy declared, on this machine. `program` is where it stands; None where it is not installed."""

    def __init__(self, declared: Transcoding) -> None:
        self.declared = declared
        self.program = shutil.which(declared.program)
        if self.program is None:
            _log.warning(
                "transcoder not installed", program=declared.program, does="refuses what would have to be coded"
            )
        self._places = asyncio.Semaphore(declared.at_once)

    def __repr__(self) -> str:
        return f"<Transcoder {self.program or 'not installed'}>"

    async def made(self, sound: bytes, source: Form, wanted: str) -> bytes:
        """Sound in the format that is wanted where that is one of `MADE`, else as samples (`PCM16`). Raises SoundError where
        it cannot be read or is too long, CallFailed where the transcoder is not to be had."""
        assert self.program is not None
        most = int(self.declared.longest * PCM16.bytes_per_second)
        if isinstance(source, Samples) and len(sound) > self.declared.longest * source.bytes_per_second:
            raise SoundError(self._too_long)
        line = command(self.program, source, wanted)
        try:
            async with asyncio.timeout(self.declared.within), self._places:
                run = _Run(most)
                code = await run.over(line, sound, self.declared.within)
        except _TooMuch:
            raise SoundError(self._too_long) from None
        except TimeoutError:
            raise CallFailed(UNAVAILABLE, f"the transcoder took longer than {self.declared.within:g} s") from None
        except OSError as error:
            _log.warning("transcoder failed", program=self.program, reason=type(error).__name__)
            raise CallFailed(UNAVAILABLE, "the transcoder does not start") from None
        if code != 0 or not run.made:
            if not isinstance(source, Coded):
                said = bytes(run.said).decode("ascii", "replace")
                _log.warning("transcoder failed", program=self.program, code=code, said=said, makes=wanted)
            raise SoundError(f"it cannot be read as `{word_of(source)}`, or the transcoder does not make `{wanted}`")
        return bytes(run.made)

    @property
    def _too_long(self) -> str:
        return f"it is longer than the {self.declared.longest:g} s that are transcoded"


class _TooMuch(Exception):
    """More comes out than may."""


class _Run:
    """One process, from its start to its end. `made` is what came out, `most` bytes at most, `said` what it complained of."""

    def __init__(self, most: int) -> None:
        self.made = bytearray()
        self.said = bytearray()
        self._most = most

    async def over(self, line: tuple[str, ...], sound: bytes, seconds: float) -> int:
        """How it ended, as `subprocess` says it. Raises _TooMuch, OSError."""
        process = await asyncio.create_subprocess_exec(
            *line,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
            cwd="/",
            process_group=0,
            limit=PIECE,
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        ways = (
            asyncio.ensure_future(_feed(process.stdin, sound)),
            asyncio.ensure_future(self._take(process.stdout)),
            asyncio.ensure_future(self._hear(process.stderr)),
        )
        try:
            _bound(process.pid, seconds)
            await asyncio.gather(*ways)
            return await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await asyncio.shield(process.communicate())

    async def _take(self, way: asyncio.StreamReader) -> None:
        while piece := await way.read(PIECE):
            if len(self.made) + len(piece) > self._most:
                raise _TooMuch
            self.made += piece

    async def _hear(self, way: asyncio.StreamReader) -> None:
        while piece := await way.read(PIECE):
            self.said += piece[: max(0, LAST_WORDS - len(self.said))]


async def _feed(way: asyncio.StreamWriter, sound: bytes) -> None:
    """Give it all, as it takes it; who has read enough may leave."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for at in range(0, len(sound), PIECE):
            way.write(sound[at : at + PIECE])
            await way.drain()
        way.close()
        await way.wait_closed()


def _bound(pid: int, seconds: float) -> None:
    """What the process may use from now on: it has been given nothing yet that it could do harm with. Raises OSError where
    it may not be bounded, for then it may not run; systems other than Linux have no such bounds."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    if not hasattr(resource, "prlimit"):
        return
    processor = int(seconds) + 1
    with contextlib.suppress(ProcessLookupError):  # it is over already
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.prlimit(pid, resource.RLIMIT_CPU, (processor, processor))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def word_of(form: Form) -> str:
    """The usual word for a form of sound."""
    match form:
        case Samples():
            return "pcm"
        case Wav():
            return "wav"
        case Coded(codec):
            return codec
