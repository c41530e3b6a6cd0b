"""How many tokens a text has, estimated from its bytes: no vocabulary, no network, a few microseconds a kilobyte.

Every byte of the UTF-8 form belongs to a class (lower case letters, digits, spaces, Cyrillic lead bytes, ...); the
estimate is the sum of counts times the weight of the class in the model's family of tokenizers. Letters that stand in
long runs without a space (base64, hexadecimal) have a weight of their own. Fitted on half of 2,422 texts and measured
on the other half: mean absolute error 9 % over 16 kinds of text, the worst of 20 within 30 %; short questions come out
5 to 15 % too low; one in a hundred texts has 1.47 times as many tokens as estimated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

CLASSES = (
    "letters",
    "upper",
    "digits",
    "space",
    "newline",
    "punctuation",
    "latin",
    "cyrillic",
    "greek",
    "arabic and hebrew",
    "indic, thai and symbols",
    "kana",
    "cjk",
    "hangul",
    "private and forms",
    "four bytes",
    "letters without spaces",
)
"""The classes of bytes, in the order of the weights. A character beyond ASCII counts by its first byte."""

WEIGHTS: dict[str, tuple[float, ...]] = {
    "o200k_base": (
        0.21211,
        0.20191,
        0.65148,
        0.08527,
        0.18878,
        0.59331,
        0.98017,
        0.29316,
        0.40039,
        0.37258,
        0.37755,
        0.6223,
        0.97532,
        0.65621,
        0.82279,
        2.06577,
        0.5388,
    ),
    "cl100k_base": (
        0.21935,
        0.18998,
        0.6528,
        0.0773,
        0.1091,
        0.58446,
        1.83865,
        0.4965,
        1.05309,
        0.97094,
        1.06167,
        0.86272,
        1.45955,
        1.02886,
        0.08061,
        2.75827,
        0.59911,
    ),
    "llama3": (
        0.22806,
        0.20663,
        0.64693,
        0.06549,
        0.0,
        0.60265,
        0.97482,
        0.32805,
        0.4307,
        0.54728,
        0.54786,
        0.5925,
        0.95611,
        0.69294,
        2.085,
        2.24245,
        0.57145,
    ),
    "qwen3": (
        0.2274,
        0.14257,
        1.27946,
        0.05793,
        0.00053,
        0.59217,
        1.03653,
        0.37866,
        1.03187,
        0.44479,
        0.72145,
        0.5802,
        0.84218,
        0.75436,
        1.46259,
        0.91488,
        0.49206,
    ),
    "deepseek_v3": (
        0.2081,
        0.3438,
        0.61068,
        0.09335,
        0.20535,
        0.66505,
        2.14923,
        0.34846,
        0.53316,
        0.48586,
        0.49608,
        0.65359,
        0.79267,
        0.80195,
        0.11132,
        1.93381,
        0.47917,
    ),
    "mistral_v3": (
        0.21375,
        0.27606,
        1.25627,
        0.06978,
        0.2093,
        0.62606,
        1.08875,
        0.32478,
        0.41701,
        0.37597,
        0.46859,
        0.57934,
        1.16087,
        0.653,
        0.81062,
        4.30988,
        0.46115,
    ),
    "mistral_v1": (
        0.22206,
        0.31137,
        1.16863,
        0.11593,
        0.90377,
        0.7579,
        3.23405,
        0.46525,
        1.17181,
        1.16912,
        1.18906,
        1.0939,
        1.25486,
        1.39469,
        1.37324,
        2.85942,
        0.5232,
    ),
    "glm4": (
        0.22661,
        0.1429,
        0.83651,
        0.05108,
        0.0,
        0.62318,
        0.81827,
        0.30609,
        0.46376,
        0.57077,
        0.98649,
        0.60459,
        0.88417,
        0.90038,
        0.0,
        2.85397,
        0.57151,
    ),
}
"""Tokens per byte of each class, by family of tokenizers."""

DEFAULT_FAMILY = "o200k_base"

FIT_MARGIN = 1.3
"""What an estimate is multiplied by where it must not be too low: 95 of 100 texts have fewer tokens than that."""

LONG_RUN = 40
"""Bytes of a run without spaces that is counted as base64 or hexadecimal."""

_RUN = re.compile(rb"[A-Za-z0-9+/_=-]{%d,}" % LONG_RUN)
_LETTERS, _UPPER = 0, 1
_NO_CLASS = 255


def _class_of(byte: int) -> int:
    """The class of a byte; continuation bytes have none."""
    char = chr(byte)
    if byte < 0x80:
        if char.isalpha():
            return _UPPER if char.isupper() else _LETTERS
        return 2 if char.isdigit() else 3 if char in " \t" else 4 if char in "\r\n" else 5
    if byte < 0xC0:
        return _NO_CLASS
    firsts = (
        (0xCE, 6),
        (0xD0, 8),
        (0xD4, 7),
        (0xD6, 6),
        (0xE0, 9),
        (0xE3, 10),
        (0xE4, 11),
        (0xEA, 12),
        (0xEE, 13),
        (0xF0, 14),
    )
    return next((kind for end, kind in firsts if byte < end), 15)


_CONTINUATION = bytes(range(0x80, 0xC0))
_MEMBERS = tuple(bytes(byte for byte in range(256) if _class_of(byte) == kind) for kind in range(16))
_OFTENEST = (0, 3, 5, 2, 1, 4)
"""Classes of ASCII in the order in which they are counted: the oftenest first."""

_RUN_BYTES = bytes(byte for byte in range(256) if _RUN.fullmatch(bytes([byte]) * LONG_RUN))
_IN_RUNS = bytes(1 if byte in _RUN_BYTES else 0 for byte in range(256))
_LONG = b"\1" * LONG_RUN


def estimate_tokens(text: str, family: str = DEFAULT_FAMILY) -> int:
    """About how many tokens a text has for a family of tokenizers; an unknown family counts as the default one."""
    return tokens_of(count_classes(text), family)


def count_classes(text: str) -> list[int]:
    """How many bytes of each of the `CLASSES` a text has: counted once, they give the estimate for every family."""
    data = text.encode("utf-8", "surrogatepass")
    counts = [*_counts(data), 0]
    if len(data) >= LONG_RUN and _LONG in data.translate(_IN_RUNS):
        for run in _RUN.finditer(data):
            inside = _counts(run[0])
            for kind in (_LETTERS, _UPPER):
                counts[kind] -= inside[kind]
                counts[-1] += inside[kind]
    return counts


def tokens_of(counts: Sequence[int], family: str = DEFAULT_FAMILY) -> int:
    """The estimate of a text with so many bytes of each class."""
    weights = WEIGHTS.get(family, WEIGHTS[DEFAULT_FAMILY])
    return round(sum([count * weight for count, weight in zip(counts, weights, strict=True) if count]))


def _counts(data: bytes) -> list[int]:
    """How many bytes each class has. What was counted is taken out, so that every pass is shorter than the last one:
    several times as fast as counting each class in the whole."""
    counts = [0] * len(_MEMBERS)
    is_ascii = data.isascii()
    rest = data if is_ascii else data.translate(None, _CONTINUATION)
    for kind in _OFTENEST if is_ascii else (*_OFTENEST, *range(6, 16)):
        if not rest:
            break
        left = rest.translate(None, _MEMBERS[kind])
        counts[kind] = len(rest) - len(left)
        rest = left
    return counts
