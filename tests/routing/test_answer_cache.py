"""Answers used again: what shares a key, what is worth keeping, and how much is kept for how long."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routebook.catalogue.models import Model
from routebook.catalogue.providers import Provider
from routebook.chat.usage import Usage
from routebook.documents.problems import Location
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.protocols.openai_chat.response import Answered
from routebook.routing.answer_cache import (
    OVERHEAD,
    AnswerCache,
    Kept,
    Wish,
    is_worth_keeping,
    key_of,
    replayed_headers,
    room_under,
    wish_of,
)
from routebook.routing.outcomes import Caps, Reuse
from routebook.routing.policy import CacheRoom
from tests.support.routes import policy

HERE = Location("policy.yaml", 1, 1)
ROOM = CacheRoom(bytes=10 * (OVERHEAD + 100), entry=1000)


class Request(NamedTuple):
    """Everything of a request that may matter to its answer."""

    operation: str = "chat"
    dialect: str = "openai-chat"
    provider: str = "p"
    base_url: str = "https://p.example/v1"
    upstream_id: str = "m-1"
    body: str = "{}"
    shows_usage: bool = False
    accept: str | None = None
    beta: str | None = None
    client: str | None = "a"

    def key(self, secret: bytes = b"secret") -> bytes:
        """The key of its answer."""
        model = Model("name", Provider(self.provider, "openai", self.base_url, HERE), self.upstream_id, HERE)
        said = {"Accept": self.accept, "OpenAI-Beta": self.beta, "User-Agent": "any"}
        headers = {name: value for name, value in said.items() if value is not None}
        return key_of(
            secret,
            self.operation,
            self.dialect,
            model,
            self.body.encode("utf-8", "surrogatepass"),
            self.shows_usage,
            headers,
            self.client,
        )


words = st.text(st.sampled_from("ab=: \0é\udc80"), max_size=3)
maybe = st.none() | words
requests = st.builds(
    Request, words, words, words, words, words, words, st.booleans(), accept=maybe, beta=maybe, client=maybe
)


@given(requests, requests)
def test_requests_share_a_key_only_where_nothing_that_matters_differs(one: Request, other: Request) -> None:
    """Not by moving a letter from one field to the next either: equal keys mean equal fields, and the other way round."""
    assert (one.key() == other.key()) == (one == other)


def test_a_key_tells_nothing_without_its_secret() -> None:
    """Whoever sees keys cannot try prompts."""
    assert Request().key(b"one") != Request().key(b"two")


FIELDS: dict[str, tuple[object, ...]] = {
    "messages": tuple([{"role": role, "content": text}] for role in ("user", "system") for text in ("hi", "hi!")),
    "temperature": (0, 0.5, 1),
    "seed": (1, 2),
    "max_tokens": (1, 2),
    "max_completion_tokens": (1, 2),
    "n": (1, 2),
    "tools": ([], [{"type": "function", "function": {"name": "f"}}]),
    "tool_choice": ("none", "auto"),
    "response_format": ({"type": "json_object"}, {"type": "text"}),
    "reasoning_effort": ("low", "high"),
    "stop": ("a", ["a"]),
    "logit_bias": ({"1": 1}, {}),
    "user": ("ann", "bob"),
    "metadata": ({"tags": "x"}, {}),
    "stream": (True, False),
    "stream_options": ({"include_usage": True}, {"include_usage": False}),
    "x_new": (0, False, None),
}
CAPS = (Caps(), Caps(max_output=1), Caps(temperature=0.5), Caps(reasoning_effort="low"))

values = {name: st.sampled_from(each) for name, each in FIELDS.items()}
bodies = st.fixed_dictionaries(
    {"model": st.just("large"), "messages": values["messages"]},
    optional={name: each for name, each in values.items() if name != "messages"},
)
changes = st.one_of([st.fixed_dictionaries({name: each}) for name, each in values.items()])


def meant(body: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for: in a stream, not to be shown its usage is what is so where nothing is said. Upstream is asked
    for it either way."""
    unsaid = body.get("stream") and body.get("stream_options") == {"include_usage": False}
    return {name: value for name, value in body.items() if not (unsaid and name == "stream_options")}


HELLO = {"model": "large", "messages": FIELDS["messages"][0]}


@given(bodies, changes, st.sampled_from(CAPS))
@example({**HELLO, "stream": True}, {"stream_options": {"include_usage": False}}, Caps())
def test_no_field_of_a_body_is_left_out(body: dict[str, Any], change: dict[str, Any], caps: Caps) -> None:
    """Whatever field a request differs in from another, they have two keys; one, only where they ask for the same in other
    words, or a rule's caps make the same request of both."""

    def sent(body: dict[str, Any]) -> tuple[bytes, bool]:
        asked = read_chat(json.dumps(body).encode())
        return edited(asked, "m-1", True, caps), asked.stream and asked.wants_usage

    def key(body: bytes, shows_usage: bool) -> bytes:
        return Request(body=body.decode(), shows_usage=shows_usage).key()

    one, other = body, {**body, **change}
    shares = key(*sent(one)) == key(*sent(other))
    assert shares == (sent(one) == sent(other))
    if json.dumps(one) == json.dumps(other):
        assert shares
    elif shares and caps == Caps():
        assert json.dumps(meant(one)) == json.dumps(meant(other))


@pytest.mark.parametrize(
    ("written", "wish"),
    [
        ("", Wish()),
        ("no-cache", Wish(takes=False, word="no-cache")),
        ("No-Store, no-cache", Wish(takes=False, keeps=False, word="no-store")),
        ("max-age=60, no-transform", Wish(max_age=60.0)),
        ("max-age=0", Wish(max_age=0.0)),
        ("max-age=x, only-if-cached", Wish()),
    ],
)
def test_what_a_client_asks_of_caches(written: str, wish: Wish) -> None:
    """What is understood is honoured; the rest is for other caches."""
    assert wish_of(written) == wish


@pytest.mark.parametrize(
    ("operation", "status", "said", "worth"),
    [
        ("chat", 200, Answered(finish_reason="stop"), True),
        ("chat", 200, Answered(finish_reason="length"), True),
        ("chat", 200, Answered(finish_reason="error"), False),
        ("chat", 200, Answered(Usage(1), None, "m"), False),
        ("chat", 200, None, False),
        ("chat", 400, Answered(finish_reason="stop"), False),
        ("chat", 500, Answered(finish_reason="stop"), False),
        ("embeddings", 200, Answered(Usage(1)), True),
        ("embeddings", 200, Answered(), False),
    ],
)
def test_only_whole_successes_are_worth_keeping(
    operation: str, status: int, said: Answered | None, worth: bool
) -> None:
    """A chat has a reason why it stopped, and an error is none; vectors have none."""
    assert is_worth_keeping(operation, status, said) is worth


def kept(size: int = 100, at: float = 0.0, seconds: float = 60.0, rule: str = "r") -> Kept:
    """An answer of so many bytes."""
    return Kept("01A", rule, at, seconds, 200, (), (b"x" * size,))


@pytest.mark.parametrize(
    ("at", "asked", "max_age", "found"),
    [
        (0.0, 60.0, None, True),
        (59.9, 60.0, None, True),
        (60.0, 60.0, None, False),
        (60.0, 3600.0, None, False),
        (10.0, 9.0, None, False),
        (10.0, 60.0, 10.0, True),
        (10.0, 60.0, 9.0, False),
    ],
)
def test_an_answer_is_used_as_long_as_everybody_finds_it_fresh(
    at: float, asked: float, max_age: float | None, found: bool
) -> None:
    """The rule that kept it, the rule that asks, and the client: the shortest counts."""
    cache = AnswerCache(ROOM)
    cache.keep(b"k", kept())
    answer = cache.find(b"k", at, Reuse(asked), max_age)
    assert answer == ((kept(), at) if found else None)


def test_what_is_too_old_for_one_may_do_for_another() -> None:
    """A client that wants it fresh does not take it from the others; its own end does."""
    cache = AnswerCache(ROOM)
    cache.keep(b"k", kept())
    assert cache.find(b"k", 30.0, Reuse(60.0), 5.0) is None
    assert cache.find(b"k", 30.0, Reuse(60.0)) is not None
    assert cache.find(b"k", 60.0, Reuse(60.0)) is None
    assert cache.bytes == 0 and cache.sizes == {"r": 0}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1200), st.sampled_from("rs"), st.booleans())))
def test_no_more_is_kept_than_there_is_room_for(steps: list[tuple[int, int, str, bool]]) -> None:
    """Whatever is kept, looked up and kept again: the bytes are bounded, and the count by rule is true."""
    cache = AnswerCache(ROOM)
    for name, size, rule, looks in steps:
        key = bytes([name])
        if looks:
            cache.find(key, 1.0, Reuse(60.0))
        else:
            assert cache.keep(key, kept(size, rule=rule)) is (size <= ROOM.entry)
        found = [cache.find(bytes([each]), 1.0, Reuse(60.0)) for each in range(31)]
        assert cache.bytes == sum(each[0].size for each in found if each is not None) <= ROOM.bytes
        assert sum(cache.sizes.values()) == cache.bytes


def test_what_was_not_used_for_longest_goes_first() -> None:
    """A use makes it young again."""
    cache = AnswerCache(CacheRoom(3 * kept().size, 1000))
    for key in (b"a", b"b", b"c"):
        cache.keep(key, kept())
    assert cache.find(b"a", 1.0, Reuse(60.0))
    cache.keep(b"d", kept())
    assert [bool(cache.find(key, 1.0, Reuse(60.0))) for key in (b"a", b"b", b"c", b"d")] == [True, False, True, True]


def test_an_answer_too_large_leaves_the_others_alone() -> None:
    """It is not kept, and nothing goes for it."""
    cache = AnswerCache(ROOM)
    cache.keep(b"a", kept())
    assert not cache.keep(b"b", kept(1001))
    assert cache.find(b"a", 1.0, Reuse(60.0)) and not cache.find(b"b", 1.0, Reuse(60.0))


def test_less_room_takes_effect_at_once_and_none_where_no_rule_keeps_answers() -> None:
    """A policy that no longer says `cache` leaves no answer in memory."""
    cache = AnswerCache(ROOM)
    cache.keep(b"a", kept())
    cache.keep(b"b", kept())
    cache.bound(CacheRoom(kept().size, 1000))
    assert cache.find(b"b", 1.0, Reuse(60.0)) and not cache.find(b"a", 1.0, Reuse(60.0))
    keeping = policy("rules: [{name: r, route: {to: small, cache: 1m}}]\nsettings: {cache: {bytes: 1MiB, entry: 2KiB}}")
    assert room_under(keeping) == CacheRoom(1024**2, 2048)
    cache.bound(room_under(policy()))
    assert cache.bytes == 0 and not cache.keep(b"c", kept(0))


def test_headers_of_one_exchange_are_not_told_again() -> None:
    """What an upstream said of limits, times and requests was true once."""
    said = [("Content-Type", "application/json"), ("x-request-id", "1"), ("x-ratelimit-remaining-tokens", "5")]
    assert replayed_headers(said) == (("Content-Type", "application/json"),)
