"""What Gemini keeps besides the laws of dialects."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings

from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.request import GeminiChat
from tests.protocols import laws
from tests.protocols.gemini.subject import TYPES, WORDS

WHOLES = ("generationConfig", "toolConfig", "systemInstruction")
LISTS = ("contents", "tools")
FRAMES = [
    *(b'{"contents":[],"' + name.encode() + b'":%b}' for name in WHOLES),
    *(b'{"contents":[],"' + name.encode() + b'":[%b]}' for name in LISTS),
    b'{"contents":[{"role":"model","parts":[%b]}]}',
]


@settings(deadline=None)
@given(laws.in_words(WORDS, FRAMES, TYPES))
def test_any_json_is_read_for_the_model_of_a_path(bodies: list[bytes]) -> None:
    """Nothing but ProtocolError comes out where the model is known, and the body is read."""
    for body in bodies:
        with contextlib.suppress(ProtocolError):
            assert GeminiChat(body, "m").chat.model == "m"
