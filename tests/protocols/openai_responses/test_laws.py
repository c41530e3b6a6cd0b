"""What Responses keeps besides the laws of dialects."""

from __future__ import annotations

from hypothesis import given, settings

from routebook.chat.conversation import ChatRequest
from routebook.chat.features import Feature
from tests.protocols import laws
from tests.protocols.conversations import ANY_WORDS, chats
from tests.protocols.openai_responses.subject import SUBJECT

SEALED = frozenset({Feature.REASONING_SAID, Feature.SIGNATURE, Feature.TOOL_CALL, Feature.TOOL_RESULT, Feature.REFUSAL})


@settings(deadline=None)
@given(chats(ANY_WORDS, SEALED, "openai-responses", "openai"))
def test_sealed_thoughts_survive(chat: ChatRequest) -> None:
    """Thoughts come back under their own seal, to the letter; the others are reported."""
    laws.requests_survive(SUBJECT, chat)
