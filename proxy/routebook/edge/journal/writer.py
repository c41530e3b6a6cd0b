"""The journal: what was decided and how it ended, on disk when the call returns.

One record is two lines of JSON: `decided` before anything goes upstream, `ended` before the last byte goes to the
client; where a request comes to hold more than it began with, a line `held` between them; where somebody rates its answer,
a line `feedback` after them. A line is one write to a file opened for appending, so it survives `kill -9` of the process the moment the call
returns (it stands in the kernel's page cache; only a loss of power can take it).

Every process writes segments of its own, `<instance>-<time>.jsonl`, and holds a lock on the one it writes: whether the
writer of a record still lives is therefore known to everybody, and forgotten by the kernel when it dies.

When the disk is full nothing is lost silently: new requests are refused (`JournalUnavailable`) while the endings of
those already decided go into space set aside for them, and service resumes when the disk has room again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

DIRECTORY = "journal"
"""The folder of segments inside a state directory."""

ROTATE_BYTES = 64 * 1024 * 1024
"""A segment is closed when it has grown to this."""

RESERVE_BYTES = 1024 * 1024
"""Disk space set aside for the endings of requests in flight: about a thousand of them."""

RECOVERY_PAUSE = 1.0
"""Seconds between two looks at whether a full disk has room again."""


class JournalUnavailable(Exception):
    """The journal cannot be written, so no request may be begun. The message says why, in the system's words."""

    code = "journal.unavailable"


class Journal:
    """Appends the lines of one process. Not for use from several threads."""

    def __init__(self, state_dir: Path, instance: str, rotate_bytes: int = ROTATE_BYTES) -> None:
        """Create the folder and the first segment; raises OSError where that is impossible."""
        self.folder = Path(state_dir) / DIRECTORY
        self.folder.mkdir(parents=True, exist_ok=True)
        self.instance = instance
        self._rotate_bytes = rotate_bytes
        self._reserve = self.folder / f"{instance}.reserve"
        self._owed: list[bytes] = []
        self._full_since: float | None = None
        self._looked_at = 0.0
        self._size = 0
        self._began = 0
        self._file = self._open_segment()
        try:
            self._set_space_aside()
        except OSError as error:
            self._now_full(error)
        self._lines: _Lines = structlog.wrap_logger(self, processors=[_render], wrapper_class=_Lines).bind()

    def __repr__(self) -> str:
        state = "closed" if self._file < 0 else "full" if self._full_since is not None else "open"
        return f"<Journal {self.instance} {state}, {self._size} bytes in {self.segment}, {len(self._owed)} lines owed>"

    @property
    def is_full(self) -> bool:
        """Whether new requests are being refused for want of disk space."""
        return self._full_since is not None

    def decided(self, line: Mapping[str, Any]) -> None:
        """Write the first line of a record; raises JournalUnavailable where it could not be written."""
        self._begin("decided", line)

    def held(self, line: Mapping[str, Any]) -> None:
        """Write what a record holds from now on, in place of what it held; raises JournalUnavailable like `decided`."""
        self._begin("held", line)

    def feedback(self, line: Mapping[str, Any]) -> None:
        """Write how good an answer was; raises JournalUnavailable like `decided`."""
        self._begin("feedback", line)

    def ended(self, line: Mapping[str, Any]) -> None:
        """Write the second line of a record. Never raises: on a full disk it goes into the space set aside.

        Where even that is used up the line is kept in memory and written before anything else; should the process be
        killed until then, the record is settled at the next start like one of a crash.
        """
        try:
            self._lines.write("ended", line)
        except OSError as error:
            self._now_full(error)
            self._owed.append(_render(None, "info", {**line, "event": "ended"}))
            self._pay()

    def close(self) -> None:
        """Close the segment and give the reserve back; an empty segment is removed."""
        if self._file < 0:
            return
        self._pay()
        self._reserve.unlink(missing_ok=True)
        if self._size == 0:
            (self.folder / self.segment).unlink(missing_ok=True)
        os.close(self._file)
        self._file = -1

    def append(self, data: bytes) -> None:
        """Write whole lines; raises OSError and leaves no torn line behind when the disk is full."""
        written = os.write(self._file, data)
        if written != len(data):
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        if self._size >= self._rotate_bytes:
            self._rotate()

    def _begin(self, event: str, line: Mapping[str, Any]) -> None:
        """Write a line that has to be on disk before anything is done on its account."""
        if self._full_since is not None:
            self._look_again()
        try:
            self._lines.write(event, line)
        except OSError as error:
            self._now_full(error)
            raise JournalUnavailable(_reason(error)) from error

    def _open_segment(self) -> int:
        """Begin a segment: named after the ones before it whatever the clock does, and never seen without its lock."""
        self._began = max(time.time_ns() // 1000, self._began + 1)
        second, micros = divmod(self._began, 1_000_000)
        stamp = f"{datetime.fromtimestamp(second, UTC):%Y%m%dT%H%M%S}{micros:06d}Z"
        unseen = self.folder / f"{self.instance}.new"
        file = os.open(unseen, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.segment = f"{self.instance}-{stamp}.jsonl"
        unseen.rename(self.folder / self.segment)
        return file

    def _rotate(self) -> None:
        """Go on in a new segment; where none can be created, the old one goes on growing."""
        before, name = self._file, self.segment
        try:
            self._file = self._open_segment()
        except OSError:
            self.segment = name
            return
        self._size = 0
        os.close(before)

    def _set_space_aside(self) -> None:
        """Fill the reserve with bytes; raises OSError where the disk has no room for it."""
        try:
            with open(self._reserve, "wb", buffering=0) as reserve:
                missing = RESERVE_BYTES
                while missing > 0:
                    missing -= reserve.write(bytes(missing))
        except OSError:
            self._reserve.unlink(missing_ok=True)
            raise

    def _now_full(self, error: OSError) -> None:
        if self._full_since is None:
            self._full_since = self._looked_at = time.monotonic()
            structlog.get_logger().error(
                "journal full",
                code=JournalUnavailable.code,
                reason=_reason(error),
                instance=self.instance,
                does="refuses new requests until there is room",
            )
        self._reserve.unlink(missing_ok=True)

    def _pay(self) -> None:
        """Write what is owed, oldest first, as far as it goes."""
        while self._owed:
            try:
                self.append(self._owed[0])
            except OSError:
                return
            del self._owed[0]

    def _look_again(self) -> None:
        """After a pause, try whether there is room again; raises JournalUnavailable where there is none."""
        now = time.monotonic()
        if now - self._looked_at >= RECOVERY_PAUSE:
            self._looked_at = now
            self._pay()
            try:
                self._set_space_aside()
            except OSError as error:
                raise JournalUnavailable(_reason(error)) from error
            if not self._owed:
                structlog.get_logger().info("journal has room again", instance=self.instance)
                self._full_since = None
                return
        raise JournalUnavailable("no space left for the journal")


class _Lines(structlog.BoundLoggerBase):
    """structlog's way of a line through its processors to the journal, without the copies that levels and keywords
    cost: there are two lines in every request."""

    def write(self, event: str, line: Mapping[str, Any]) -> None:
        """Render a line under the name of its event, and append it; raises OSError."""
        rendered: Any = {"event": event, **line}
        for processor in self._processors:
            rendered = processor(self._logger, "info", rendered)
        self._logger.append(rendered)


def _render(logger: object, method: str, line: Mapping[str, Any]) -> bytes:
    """One JSON object and its line feed. What JSON cannot carry (half of a surrogate pair) is escaped, never raised."""
    try:
        return orjson.dumps(line, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(_escaped(line), default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    """A set becomes a sorted list; whatever else is not JSON becomes its text."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)


def _escaped(value: Any) -> Any:
    """The same value with text that is no Unicode escaped, and numbers beyond 64 bits as text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_escaped(str(key)): _escaped(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_escaped(part) for part in (_plain(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    return value


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be written").lower()
