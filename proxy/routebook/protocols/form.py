"""Forms with a file in them (`multipart/form-data`, RFC 7578), read as they arrive: the fields, and where the file stands.

Nothing of a file is kept but its first bytes, by which its length can be told. The bytes themselves are somebody else's
to keep or to pass on: a form goes upstream as it came, but for the value of one field.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from routebook.protocols.errors import ProtocolError, Side

MOST_PARTS: Final = 100
LONGEST_HEAD: Final = 8 * 1024
LONGEST_VALUE: Final = 256 * 1024
"""Bounds of what is kept of a form: its parts, the head of one in bytes, and the value of a field."""

FIRST: Final = 4096
"""First bytes of a file that are looked at."""

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILE_NAME: Final = re.compile(r";\s*filename\*?=", re.IGNORECASE)
_TYPE: Final = re.compile(r"^content-type:\s*([^\s;]+)", re.IGNORECASE | re.MULTILINE)


class _State(enum.Enum):
    BEGIN = enum.auto()
    AFTER_DELIMITER = enum.auto()
    HEAD = enum.auto()
    VALUE = enum.auto()
    FILE = enum.auto()
    END = enum.auto()


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts; raises ProtocolError where the type is not that of a form."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise _wrong("the body must be a form: `multipart/form-data` with a `boundary`", status=415)
    return (found[1] or found[2]).encode("latin-1")


class FormReader:
    """Reads one form. `fields` are the values so far, those of a name that stands several times joined by commas;
    `spans` where the bytes of a field's only value stand in the form; `first` the first bytes of the file, `size` how
    many of it have come."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # so that the first delimiter is one like all others
        self._at = -2
        self._state = _State.BEGIN
        self._parts = 0
        self._name = ""
        self.fields: dict[str, str] = {}
        self.spans: dict[str, tuple[int, int]] = {}
        self.file: str | None = None
        self.media_type: str | None = None
        self.first = b""
        self.size = 0

    def __repr__(self) -> str:
        return f"<FormReader {len(self.fields)} fields, {self.size} bytes of a file, {self._state.name.lower()}>"

    @property
    def in_file(self) -> bool:
        """Whether a file has begun and not ended."""
        return self._state is _State.FILE

    @property
    def is_whole(self) -> bool:
        """Whether the end has come."""
        return self._state is _State.END

    @property
    def behind(self) -> int:
        """Bytes that have come and are not counted to the file yet: they may be the beginning of what ends it."""
        return len(self._buffer)

    @property
    def ending(self) -> int:
        """Bytes that end a file and with it the form."""
        return len(self._delimiter) + 4

    def part(self, name: str, value: str) -> bytes:
        """A field as it may stand before all others of this form."""
        head = f'Content-Disposition: form-data; name="{name}"'
        return b"%b\r\n%b\r\n\r\n%b\r\n" % (self._delimiter[2:], head.encode(), value.encode())

    def feed(self, chunk: bytes) -> None:
        """Some more bytes; raises ProtocolError of the client's side for what is no form, or one beyond every bound."""
        self._buffer += chunk
        while self._step():
            pass

    def _step(self) -> bool:
        """One part of a part; whether there may be another."""
        match self._state:
            case _State.BEGIN:
                return self._begin()
            case _State.AFTER_DELIMITER:
                return self._after_delimiter()
            case _State.HEAD:
                return self._read_head()
            case _State.VALUE | _State.FILE:
                return self._read_content()
        self._drop(len(self._buffer))
        return False

    def _begin(self) -> bool:
        if len(self._buffer) < len(self._delimiter):
            return False
        if not self._buffer.startswith(self._delimiter):
            raise _wrong("the form does not begin with its boundary")
        self._drop(len(self._delimiter))
        self._state = _State.AFTER_DELIMITER
        return True

    def _after_delimiter(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._state = _State.END
        elif self._buffer.startswith(b"\r\n"):
            self._state = _State.HEAD
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise _wrong(f"the form has more than {MOST_PARTS} parts")
        else:
            raise _wrong("the form's boundary stands within a line")
        self._drop(2)
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, LONGEST_HEAD)
        if end < 0:
            if len(self._buffer) >= LONGEST_HEAD:
                raise _wrong("the head of a part of the form is too large")
            return False
        head = self._buffer[:end].decode("utf-8", "replace")
        named = _NAME.search(head)
        if named is None:
            raise _wrong("a part of the form has no name")
        self._name = re.sub(r"\\(.)", r"\1", named[1])
        self._state = _State.VALUE
        if _FILE_NAME.search(head):
            if self.file is not None:
                raise _wrong("the form has more than one file", self._name)
            kind = _TYPE.search(head)
            self.file, self.media_type = self._name, None if kind is None else kind[1].lower()
            self._state = _State.FILE
        self._drop(end + 4)
        return True

    def _read_content(self) -> bool:
        end = self._buffer.find(self._delimiter)
        if self._state is _State.FILE:
            there = max(0, len(self._buffer) - len(self._delimiter) + 1) if end < 0 else end
            self.first += self._buffer[: min(there, FIRST - len(self.first))]
            self.size += there
            self._drop(there)
            end = 0 if end >= 0 else -1
        elif (len(self._buffer) if end < 0 else end) > LONGEST_VALUE:
            raise _wrong("a field of the form is too large", self._name)
        if end < 0:
            return False
        if self._state is _State.VALUE:
            self._take(end)
        self._drop(end + len(self._delimiter))
        self._state = _State.AFTER_DELIMITER
        return True

    def _take(self, end: int) -> None:
        try:
            value = self._buffer[:end].decode("utf-8")
        except UnicodeDecodeError:
            raise _wrong("a field of the form is not UTF-8", self._name) from None
        name = self._name.removesuffix("[]")
        if name in self.fields:
            if name in _ONCE:
                raise _wrong(f"`{name}` stands twice in the form", name)
            self.fields[name] += f",{value}"
            self.spans.pop(name, None)
        else:
            self.fields[name] = value
            self.spans[name] = self._at, self._at + end

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._at += count


_ONCE = frozenset({"model", "prompt"})
"""Fields that a decision goes by as soon as they are known: another one behind the file would be another request."""


def _wrong(message: str, param: str | None = None, status: int = 400) -> ProtocolError:
    return ProtocolError(Side.CLIENT, message, param=param, status=status)
