"""WebSocket's frames (RFC 6455, 5): whole messages out of bytes as they come, and frames of messages.

Sans-IO. Fragments are put together, since a message is decided about as a whole; no extension is ever agreed on, so that
means nothing else than the fragments did. What breaks the protocol is `Broken`, with the close code that says how.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Final, NamedTuple

from aiohttp._websocket.helpers import websocket_mask


class Kind(enum.IntEnum):
    """What a frame is, by its opcode (5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Message(NamedTuple):
    """One whole message, or a frame of control."""

    kind: Kind
    data: bytes


class Broken(Exception):
    """The peer broke the protocol. `code` is the close code for it (7.4.1)."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


PROTOCOL_ERROR: Final = 1002
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009
NO_CODE: Final = 1005

MOST_REASON: Final = 123
"""Bytes of a close's reason: a frame of control has 125."""

_SENDABLE: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""Close codes below 3000 that may stand in a frame (7.4.1 and its registry)."""

_KINDS: Final = {int(kind): kind for kind in Kind}
_FIN: Final = 0x80
_MASKED: Final = 0x80
_RESERVED: Final = 0x70
_CONTROL: Final = 0x08


class Frames:
    """The frames of one peer. `masked` says that it is a client: a client's frames are masked, a server's never (5.1).
    No message has more than `most` bytes."""

    __slots__ = ("_checked", "_held", "_kind", "_mask_bit", "_most", "_needed", "_parts")

    def __init__(self, most: int, masked: bool) -> None:
        self._most = most
        self._mask_bit = _MASKED if masked else 0
        self._held: bytearray | None = None
        self._needed = 0
        self._kind: Kind | None = None
        self._parts: bytearray | None = None
        self._checked = 0

    def __repr__(self) -> str:
        return f"<Frames of a {'client' if self._mask_bit else 'server'}>"

    def feed(self, data: bytes) -> Iterator[Message]:
        """What is whole with these bytes; raises Broken, after all that was whole before."""
        if self._held is not None:
            self._held += data
            if len(self._held) < self._needed:
                return
            data, self._held = bytes(self._held), None
        at, size = 0, len(data)
        while at < size:
            head = self._head(data, at, size)
            if head is None:
                self._hold(data, at, 0)
                return
            begin, length = head
            end = begin + length
            if end > size:
                self._hold(data, at, end - at)
                return
            payload = data[begin:end]
            if self._mask_bit:
                payload = masked(data[begin - 4 : begin], payload)
            first = data[at]
            at = end
            message = self._whole(first, payload)
            if message is not None:
                yield message

    def _hold(self, data: bytes, at: int, needed: int) -> None:
        """Wait for the rest of a frame; of one whose head is not whole nobody knows yet how much that is."""
        self._held = bytearray(data[at:] if at else data)
        self._needed = max(needed, len(self._held) + 1)

    def _head(self, data: bytes, at: int, size: int) -> tuple[int, int] | None:
        """Where the payload of a frame begins, and its length; None where the head is not whole. Raises Broken."""
        if size - at < 2:
            return None
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        self._check(first, second, length)
        begin = at + 2
        if length == 126:
            begin += 2
            if begin > size:
                return None
            length = data[at + 2] << 8 | data[at + 3]
        elif length == 127:
            begin += 8
            if begin > size:
                return None
            length = int.from_bytes(data[at + 2 : begin], "big")
        held = 0 if self._parts is None else len(self._parts)
        if length + held > self._most:
            raise Broken(TOO_BIG, "a message is too large")
        if self._mask_bit:
            begin += 4
            if begin > size:
                return None
        return begin, length

    def _check(self, first: int, second: int, length: int) -> None:
        if first & _RESERVED:
            raise Broken(PROTOCOL_ERROR, "a reserved bit is set")
        kind = _KINDS.get(first & 0x0F)
        if kind is None:
            raise Broken(PROTOCOL_ERROR, "there is no such kind of frame")
        if second & _MASKED != self._mask_bit:
            raise Broken(PROTOCOL_ERROR, "a client's frame must be masked" if self._mask_bit else "a frame is masked")
        if kind & _CONTROL:
            if not first & _FIN or length > 125:
                raise Broken(PROTOCOL_ERROR, "a frame of control must be whole and short")
        elif (kind == 0) == (self._kind is None):
            raise Broken(PROTOCOL_ERROR, "a fragment does not follow what it should")

    def _whole(self, first: int, payload: bytes) -> Message | None:
        """The message that is whole with this frame; raises Broken where its text is none."""
        kind = _KINDS[first & 0x0F]
        if kind & _CONTROL:
            return Message(kind, _checked_close(payload) if kind is Kind.CLOSE else payload)
        if first & _FIN and self._kind is None:
            if kind is Kind.TEXT and not payload.isascii():
                _decoded(payload)
            return Message(kind, payload)
        if self._parts is None or self._kind is None:
            self._kind, self._parts, self._checked = kind, bytearray(), 0
        self._parts += payload
        if self._kind is Kind.TEXT:
            self._check_text(last=bool(first & _FIN))
        if not first & _FIN:
            return None
        message = Message(self._kind, bytes(self._parts))
        self._kind = self._parts = None
        return message

    def _check_text(self, last: bool) -> None:
        """A text in fragments is refused as soon as it is none; a character may be cut by them."""
        assert self._parts is not None
        fresh = bytes(self._parts[self._checked :])
        try:
            fresh.decode()
        except UnicodeDecodeError as error:
            if last or error.reason != "unexpected end of data":
                raise Broken(INVALID_TEXT, "a text is not UTF-8") from None
            self._checked += error.start
        else:
            self._checked += len(fresh)


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Broken(INVALID_TEXT, "a text is not UTF-8") from None


def _checked_close(payload: bytes) -> bytes:
    """A close with a code that may be sent, and a reason that is text; raises Broken."""
    if len(payload) == 1:
        raise Broken(PROTOCOL_ERROR, "a close code has two bytes")
    if payload:
        code = int.from_bytes(payload[:2], "big")
        if code not in _SENDABLE and not 3000 <= code < 5000:
            raise Broken(PROTOCOL_ERROR, "there is no such close code")
        _decoded(payload[2:])
    return payload


def close_of(payload: bytes) -> tuple[int, str]:
    """The code and reason of a close that was read; 1005 where it says none (7.1.5)."""
    return (int.from_bytes(payload[:2], "big"), payload[2:].decode()) if payload else (NO_CODE, "")


def closing(code: int, reason: str) -> bytes:
    """What a close says: nothing for 1005, which stands for that; a reason that is too long is cut, between characters."""
    if code == NO_CODE:
        return b""
    return code.to_bytes(2, "big") + reason.encode("utf-8", "replace")[:MOST_REASON].decode("utf-8", "ignore").encode()


def frame_head(kind: Kind, length: int, mask: bytes | None = None) -> bytes:
    """What stands before the payload of a frame that is a whole message."""
    first, bit = _FIN | kind, 0 if mask is None else _MASKED
    if length < 126:
        head = bytes((first, bit | length))
    elif length < 0x10000:
        head = bytes((first, bit | 126, length >> 8, length & 0xFF))
    else:
        head = bytes((first, bit | 127)) + length.to_bytes(8, "big")
    return head if mask is None else head + mask


def masked(mask: bytes, payload: bytes) -> bytes:
    """A payload with a mask laid over it, or taken off (5.3)."""
    changed = bytearray(payload)
    websocket_mask(mask, changed)
    return bytes(changed)
