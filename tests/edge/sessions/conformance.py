"""What an endpoint of a WebSocket must do, case by case: the subjects of the Autobahn test suite's sections 1 to 7, 9 and
10 (framing, signs of life, reserved bits and opcodes, fragments, UTF-8, closes, sizes), for an endpoint that echoes.

Sections 12 and 13 are about compression, which a session never agrees on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.wire import Heard, frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

BAD, NOT_TEXT = (1002,), (1007,)


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent (in pieces of `chop` bytes), what must come back, and by which close it ends (None: by the client's own
    with 1000). Where a breach follows what is right, the answer to that may come or not."""

    name: str
    sent: bytes
    back: tuple[Heard, ...] = ()
    ends: tuple[int, ...] | None = None
    chop: int = 0


def close(code: int, reason: bytes = b"") -> bytes:
    """A frame that closes."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def parts(*pieces: bytes, kind: int = TEXT) -> bytes:
    """A message in fragments."""
    return b"".join(frame(kind if n == 0 else 0, piece, fin=n == len(pieces) - 1) for n, piece in enumerate(pieces))


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _framing()
    yield from _signs()
    yield from _bits()
    yield from _fragments()
    yield from _texts()
    yield from _closes()
    yield from _sizes()


def _framing() -> Iterator[Case]:
    for size in (0, 125, 126, 127, 128, 65_535, 65_536):
        yield Case(f"1.1 text of {size}", frame(TEXT, b"*" * size), ((TEXT, b"*" * size),))
        yield Case(f"1.2 binary of {size}", frame(BINARY, b"\xfe" * size), ((BINARY, b"\xfe" * size),))
    for kind in (TEXT, BINARY):
        whole = frame(kind, b"*" * 65_536)
        yield Case(f"1.{kind} of 65536 in pieces", whole, ((kind, b"*" * 65_536),), chop=997)
        yield Case(f"1.{kind} of 40 byte by byte", frame(kind, b"*" * 40), ((kind, b"*" * 40),), chop=1)
    yield Case("1 unmasked", frame(TEXT, b"hello", masks=False), ends=BAD)


def _signs() -> Iterator[Case]:
    for name, payload in (
        ("nothing", b""),
        ("text", b"hello"),
        ("bytes", b"\x00\xff\xfe\xfd\xfc"),
        ("125", b"\xfe" * 125),
    ):
        yield Case(f"2 ping with {name}", frame(PING, payload), ((PONG, payload),))
    yield Case("2.5 ping of 126", frame(PING, b"\xfe" * 126), ends=BAD)
    yield Case("2.6 ping byte by byte", frame(PING, b"\xfe" * 125), ((PONG, b"\xfe" * 125),), chop=1)
    yield Case("2.7 pong unasked", frame(PONG))
    yield Case("2.8 pong unasked with a payload", frame(PONG, b"unsolicited"))
    both = frame(PONG, b"unsolicited") + frame(PING, b"ping")
    yield Case("2.9 pong unasked, then a ping", both, ((PONG, b"ping"),))
    ten = [b"payload-%d" % n for n in range(10)]
    pongs = tuple((PONG, each) for each in ten)
    yield Case("2.10 ten pings", b"".join(frame(PING, each) for each in ten), pongs)
    yield Case("2.11 ten pings byte by byte", b"".join(frame(PING, each) for each in ten), pongs, chop=1)


def _bits() -> Iterator[Case]:
    for reserved in range(1, 8):
        good, bad = frame(TEXT, b"hello"), frame(TEXT, b"hello", reserved=reserved)
        yield Case(f"3 text with reserved bits {reserved}", bad, ends=BAD)
        yield Case(f"3 a good text, then bits {reserved}, then a ping", good + bad + frame(PING), ends=BAD)
        yield Case(f"3 binary with bits {reserved}", frame(BINARY, b"\xff", reserved=reserved), ends=BAD, chop=1)
    for kind in (PING, CLOSE):
        yield Case(f"3 frame of control {kind} with a bit", frame(kind, b"", reserved=4), ends=BAD)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"4 opcode {opcode}", frame(opcode), ends=BAD)
        yield Case(f"4 opcode {opcode} with a payload", frame(opcode, b"hi"), ends=BAD)
        yield Case(f"4 a good text, then opcode {opcode}", frame(TEXT, b"hi") + frame(opcode) + frame(PING), ends=BAD)


def _fragments() -> Iterator[Case]:
    for kind in (PING, PONG):
        yield Case(f"5 control {kind} in fragments", frame(kind, b"a", fin=False) + frame(0, b"b"), ends=BAD)
    two, there = parts(b"fragment1", b"fragment2"), (TEXT, b"fragment1fragment2")
    yield Case("5.3 text in two", two, (there,))
    yield Case("5.5 text in two, byte by byte", two, (there,), chop=1)
    between = frame(TEXT, b"fragment1", fin=False) + frame(PING, b"ping") + frame(0, b"fragment2")
    yield Case("5.6 a ping between", between, ((PONG, b"ping"), there))
    yield Case("5.8 a ping between, byte by byte", between, ((PONG, b"ping"), there), chop=1)
    for fin in (True, False):
        lone = frame(0, b"lone", fin=fin)
        yield Case(f"5 continuation of nothing, fin {fin}", lone + frame(TEXT, b"hello"), ends=BAD)
        yield Case(f"5 after a message in two, fin {fin}", two + lone, ends=BAD)
    yield Case("5.15 two, then a continuation", two + frame(0, b"x", fin=False) + frame(TEXT, b"y"), ends=BAD)
    for kind in (TEXT, BINARY):
        inner = frame(TEXT, b"a", fin=False) + frame(kind, b"b")
        yield Case(f"5.18 a message {kind} in a message", inner, ends=BAD)
        empty = frame(TEXT, b"", fin=False) + frame(kind, b"b")
        yield Case(f"5 a message {kind} in a message that is empty so far", empty, ends=BAD)
    five = [b"fragment%d" % n for n in range(5)]
    signs = b"".join(
        frame(TEXT if n == 0 else 0, each, fin=n == 4) + (frame(PING, each) if n in (1, 3) else b"")
        for n, each in enumerate(five)
    )
    pongs = ((PONG, five[1]), (PONG, five[3]), (TEXT, b"".join(five)))
    yield Case("5.19 five with pings", signs, pongs)
    yield Case("5.20 five with pings, byte by byte", signs, pongs, chop=1)
    yield Case("6.1 three empty ones", parts(b"", b"", b""), ((TEXT, b""),))
    yield Case("6.1 one in the middle", parts(b"", b"middle", b""), ((TEXT, b"middle"),))


_GOOD = (
    *("Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd"),
    *("\uffff", "\U00010000", "\U0010ffff"),
)
_EVIL = (
    *(b"\x80", b"\xbf", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xc1\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xfe", b"\xff"),
    *(
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xc2",
        b"\xe2\x82",
        b"\xf0\x9f\x92",
        b"\xce\xba\xed\xa0\x80edited",
    ),
)


def _texts() -> Iterator[Case]:
    for text in _GOOD:
        data = text.encode()
        yield Case(f"6 text {text!r}", frame(TEXT, data), ((TEXT, data),))
        pieces = parts(*(data[at : at + 1] for at in range(len(data))))
        yield Case(f"6 text {text!r} in fragments of a byte", pieces, ((TEXT, data),))
    for data in _EVIL:
        yield Case(f"6 no text {data!r}", frame(TEXT, data), ends=NOT_TEXT)
        yield Case(f"6 no text {data!r} in fragments", parts(b"good ", data, b""), ends=NOT_TEXT)
    yield Case("6.4 refused before its end", frame(TEXT, b"\xce\xba\xed\xa0\x80", fin=False), ends=NOT_TEXT)
    yield Case("6 binary that is no text", frame(BINARY, b"\xff\xfe"), ((BINARY, b"\xff\xfe"),))


def _closes() -> Iterator[Case]:
    yield Case("7.1 text, then close", frame(TEXT, b"hello") + close(1000), ends=(1000,))
    yield Case("7.1.2 two closes", close(1000) + close(1000), ends=(1000,))
    yield Case("7.1.3 a ping after the close", close(1000) + frame(PING), ends=(1000,))
    yield Case("7.1.4 text after the close", close(1000) + frame(TEXT, b"hello"), ends=(1000,))
    yield Case("7.3.1 no code", frame(CLOSE), ends=(1005,))
    yield Case("7.3.2 half a code", frame(CLOSE, b"a"), ends=BAD)
    yield Case("7.3.4 with a reason", close(1000, b"Hello World!"), ends=(1000,))
    yield Case("7.3.5 the longest reason", close(1000, b"*" * 123), ends=(1000,))
    yield Case("7.3.6 too long a reason", close(1000, b"*" * 124), ends=BAD)
    yield Case("7.5.1 a reason that is no text", close(1000, b"\xce\xba\xed\xa0\x80"), ends=NOT_TEXT)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"7.7 close with {code}", close(code), ends=(code,))
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield Case(f"7.9 close with {code}", close(code), ends=BAD)


def _sizes() -> Iterator[Case]:
    for kind in (TEXT, BINARY):
        for size in (65_536, 262_144, 1_048_576):
            data = b"*" * size
            yield Case(f"9 message {kind} of {size}", frame(kind, data), ((kind, data),))
            for piece in (4_096, 65_536):
                pieces = parts(*(data[at : at + piece] for at in range(0, size, piece)), kind=kind)
                yield Case(f"9 message {kind} of {size} in fragments of {piece}", pieces, ((kind, data),))
    yield Case("9 in pieces of 64", frame(BINARY, b"*" * 65_536), ((BINARY, b"*" * 65_536),), chop=64)
    yield Case("10.1 fragments of 1300", parts(*([b"*" * 1300] * 50 + [b"*" * 536])), ((TEXT, b"*" * 65_536),))
    yield Case("9 longer than anything may be", frame(BINARY, b"", length=2**62), ends=(1009,))
