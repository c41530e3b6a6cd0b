"""A file that somebody else replaces: read anew when it has changed, which is looked at in passing and seldom."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from routebook.edge.operations_log import operations_log

LOOK_SECONDS: Final = 0.25
"""How often somebody looks at most; a look that finds nothing new costs microseconds."""

T = TypeVar("T")


class Unreadable(Exception):
    """What the file says is not known at the moment."""


class Watched(Generic[T]):
    """The latest content of a file, as `read` understands it. `absent` is what no file means.

    `read` may raise anything; the file is unreadable then, until it changes. Nothing old is used in its place.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], absent: T, most_bytes: int) -> None:
        self._path = path
        self._read = read
        self._absent = absent
        self._most_bytes = most_bytes
        self._looks_at = float("-inf")
        self._stamp: tuple[int, ...] | None = None
        self._content = absent
        self._fault: str | None = None

    def __repr__(self) -> str:
        return f"<Watched {self._path}, {self._fault or 'readable'}>"

    def latest(self, now: float) -> T:
        """What the file said at most `LOOK_SECONDS` ago; raises Unreadable. `now` is monotonic seconds."""
        if now >= self._looks_at:
            self._looks_at = now + LOOK_SECONDS
            self._look()
        if self._fault is not None:
            raise Unreadable(self._fault)
        return self._content

    def _look(self) -> None:
        try:
            stamp = _stamp(os.stat(self._path))
            if stamp == self._stamp:
                return
            with open(self._path, "rb") as file:
                # of the file that is open: by now the path may name another one
                self._stamp = _stamp(os.fstat(file.fileno()))
                content = file.read(self._most_bytes + 1)
            if len(content) > self._most_bytes:
                raise ValueError(f"larger than {self._most_bytes} bytes")
            self._content = self._read(content)
            self._tell(None)
        except FileNotFoundError:
            self._stamp, self._content = None, self._absent
            self._tell(None)
        except OSError as error:
            self._stamp = None
            self._tell(error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - whatever a reader may raise, the content is not known
            self._tell(type(error).__name__)

    def _tell(self, fault: str | None) -> None:
        """Once for each change between readable and not."""
        if fault != self._fault:
            if fault is not None:
                operations_log().error(
                    "file not readable", file=str(self._path), reason=fault, does="lets nobody in by it"
                )
            else:
                operations_log().info("file readable again", file=str(self._path))
        self._fault = fault


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
