"""Guards: what is looked for in a prompt before anything is decided. One masks what patterns find, another asks a service.

Masking edits the client's own bytes: texts in the body are rewritten where they stand, every other byte stays. What the
rules see afterwards is what is sent, whoever it is sent to and in whatever dialect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from routebook.catalogue.providers import KeySource
from routebook.documents.problems import Location
from routebook.policy.conditions import ALWAYS, Condition
from routebook.routing.patterns import compiled

_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
"""Texts and brackets of JSON: an expression of ours, linear in the body."""

_COLON: Final = re.compile(rb"[ \t\r\n]*:")

KEPT: Final = frozenset(
    b"model type role id name url uri fileUri file_uri file_id file_data data b64_json signature thoughtSignature "
    b"thought_signature encrypted_content call_id tool_call_id tool_use_id media_type mime_type mimeType format detail "
    b"object status previous_response_id service_tier effort reasoning_effort prompt_cache_key voice encoding_format".split()
)
"""Fields whose texts are no words of a prompt: names, kinds, addresses, bytes in base64. Rewritten, they would break the
request; what they hold is not in the prompt's text."""

_TEXT: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Mask:
    """Replaces what its patterns find by `replacement`. `patterns` are names and expressions (RE2)."""

    name: str
    location: Location
    patterns: tuple[tuple[str, str], ...]
    replacement: str
    when: Condition = ALWAYS

    @property
    def fact(self) -> str:
        """What rules ask: whether something was found."""
        return f"guard.{self.name}.found"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Asks a service for a word about the prompt, for at most `timeout` seconds. Where none comes, a guard that is
    `closed` lets nothing pass; otherwise its fact is missing."""

    name: str
    location: Location
    url: str
    timeout: float
    closed: bool
    key: KeySource | None = None
    when: Condition = ALWAYS

    @property
    def fact(self) -> str:
        """What rules ask: the word."""
        return f"guard.{self.name}.verdict"


Guard = Mask | Webhook
"""What is looked for before a decision."""


def masked(body: bytes, mask: Mask) -> tuple[bytes, int]:
    """The JSON body with everything replaced that the patterns find in its texts, and how many texts that changed."""
    expressions = [compiled(expression) for _, expression in mask.patterns]
    words = mask.replacement.replace("\\", "\\\\")
    pieces: list[bytes] = []
    done = changed = 0
    for start, end, token in _texts(body):
        try:
            text = _TEXT.decode(token)
        except ValueError:
            continue  # a lone surrogate: whoever reads the request refuses it, or what is looked for is found below
        new = text
        for expression in expressions:
            new = expression.sub(words, new)
        if new != text:
            pieces += (body[done:start], msgspec.json.encode(new))
            done, changed = end, changed + 1
    return (b"".join((*pieces, body[done:])), changed) if changed else (body, 0)


def is_found(text: str, mask: Mask) -> bool:
    """Whether any of the mask's patterns is found in a text."""
    return any(compiled(expression).search(text) is not None for _, expression in mask.patterns)


def _texts(body: bytes) -> Sequence[tuple[int, int, bytes]]:
    """Every text that is a value and may be words: where it begins and ends, and itself with its quotes."""
    found: list[tuple[int, int, bytes]] = []
    under: list[bytes] = []
    key = b""
    for match in _TOKENS.finditer(body):
        token = match[0]
        if token in b"{[":
            under.append(key)
        elif token in b"}]":
            key = under.pop() if under else b""
        elif _COLON.match(body, match.end()) is not None:
            key = token[1:-1]
        elif key not in KEPT:
            found.append((match.start(), match.end(), token))
    return found
