"""What is kept of an answer for a client that has no place for it."""

from __future__ import annotations

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.assembling import events_of
from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.parts import Part, Reasoning, Signature, Text, ToolCall, ToolResult
from routebook.chat.remembering import Memory, Remembering, readable, recalled

SEAL = Signature("x", "s")
THOUGHT = Reasoning("hm", SEAL)
SEALED = Reasoning("", Signature("x", "r"), is_redacted=True)


def memories(*parts: Part) -> dict[str, Memory]:
    """What is kept of an answer of these parts."""
    remembering = Remembering()
    remembering.take(list(events_of(ChatAnswer(choices=(Choice(parts),)))))
    return remembering.memories()


def test_thoughts_are_kept_with_the_first_call() -> None:
    """All that were signed, in order; a call's own signature with the call."""
    signed = ToolCall("c2", "f", "{}", signature=SEAL)
    kept = memories(THOUGHT, SEALED, Reasoning("unsigned"), Text("so"), ToolCall("c1", "f", "{}"), signed)
    assert kept == {"c1": Memory((THOUGHT, SEALED)), "c2": Memory((), SEAL)}


def test_nothing_is_kept_where_nothing_was_signed() -> None:
    """Nor where no call was made: then nobody asks for it again."""
    assert memories(Reasoning("hm"), ToolCall("c1", "f", "{}")) == {}
    assert memories(THOUGHT, Text("so")) == {}


def test_what_was_kept_is_put_back() -> None:
    """Before what the assistant said, in place of thoughts that a client sent without their signatures."""
    kept = memories(THOUGHT, ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}", signature=SEAL))
    said = (Reasoning("hm"), Text("so"), ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))
    result = Message(Role.TOOL, (ToolResult("c1", (Text("a"),)),))
    chat = ChatRequest("m", (Message(Role.ASSISTANT, said), result))
    assert recalled(chat, kept.get).messages == (
        Message(
            Role.ASSISTANT, (THOUGHT, Text("so"), ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}", signature=SEAL))
        ),
        result,
    )


def test_what_a_client_brings_is_no_reason_to_forget_the_rest() -> None:
    """Clients of one dialect can hold a thought's signature and not a call's, those of another neither or both."""
    kept = memories(THOUGHT, ToolCall("c1", "f", "{}", signature=SEAL), ToolCall("c2", "f", "{}"))
    said = (THOUGHT, ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))
    [message] = recalled(ChatRequest("m", (Message(Role.ASSISTANT, said),)), kept.get).messages
    assert message.parts == (THOUGHT, ToolCall("c1", "f", "{}", signature=SEAL), ToolCall("c2", "f", "{}"))
    other = Signature("x", "brought")
    brought = (Reasoning("hm"), ToolCall("c1", "f", "{}", signature=other))
    [message] = recalled(ChatRequest("m", (Message(Role.ASSISTANT, brought),)), kept.get).messages
    assert message.parts == (THOUGHT, ToolCall("c1", "f", "{}", signature=other))


def test_a_client_that_brings_signatures_is_believed() -> None:
    """And a request of which nothing is known stays as it is."""
    brought = ChatRequest("m", (Message(Role.ASSISTANT, (THOUGHT, ToolCall("c1", "f", "{}"))),))
    assert recalled(brought, {"c1": Memory((SEALED,))}.get) is brought
    plain = ChatRequest("m", (Message(Role.ASSISTANT, (ToolCall("c9", "f", "{}"),)),))
    assert recalled(plain, {}.get) is plain


def test_another_model_gets_nothing_that_it_cannot_read() -> None:
    """Neither what was kept for the client nor what it brings itself; the latter is said. Unknown signatures pass."""
    said = (THOUGHT, SEALED, Text("so"), ToolCall("c1", "f", "{}", signature=SEAL))
    remembering = Remembering("first")
    remembering.take(list(events_of(ChatAnswer(choices=(Choice(said),)))))
    kept = remembering.memories()
    unknown = Reasoning("hm", Signature("x", "somebody's"))
    brings = ChatRequest("m", (Message(Role.USER, (Text("a"),)), Message(Role.ASSISTANT, (unknown, *said))))

    assert readable(brings, kept.get, "first") == (brings, ())
    chat, losses = readable(brings, kept.get, "second")
    left = (unknown, Reasoning("hm"), Text("so"), ToolCall("c1", "f", "{}"))
    assert chat.messages[1] == Message(Role.ASSISTANT, left)
    assert [(loss.feature, loss.path) for loss in losses] == [
        ("signature", f"messages[1].parts[{number}].signature") for number in (1, 2, 4)
    ]
    forgets = ChatRequest("m", (Message(Role.ASSISTANT, (Text("so"), ToolCall("c1", "f", "{}"))),))
    assert recalled(forgets, kept.get, "second") is forgets
    assert recalled(forgets, kept.get, "first").messages[0].parts == (*said[:2], *said[2:])
