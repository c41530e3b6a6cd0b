"""Every dialect under the laws of dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.faults import Fault
from routebook.protocols import dialects
from tests.protocols import laws
from tests.protocols.anthropic.subject import NEWER as ANTHROPIC_NEWER
from tests.protocols.anthropic.subject import SUBJECT as ANTHROPIC
from tests.protocols.gemini.subject import ARRAY as GEMINI_ARRAY
from tests.protocols.gemini.subject import SUBJECT as GEMINI
from tests.protocols.ollama.subject import SUBJECT as OLLAMA
from tests.protocols.openai_chat.subject import SUBJECT as OPENAI_CHAT
from tests.protocols.openai_responses.subject import SUBJECT as OPENAI_RESPONSES

DIALECTS = (OPENAI_CHAT, OPENAI_RESPONSES, OLLAMA, ANTHROPIC, GEMINI)
ASKING = (*DIALECTS, ANTHROPIC_NEWER)
"""Those that write requests in another way than the rest."""
ANSWERING = (*DIALECTS, GEMINI_ARRAY)
"""Those that write answers in another way than the rest."""

CUTS = st.lists(st.integers(0, 10_000), max_size=8)


def each(
    subjects: Iterable[laws.Subject], drawn: Callable[[laws.Subject], st.SearchStrategy[Any]]
) -> pytest.MarkDecorator:
    """The test for each of the subjects, with what may be `drawn` of it."""
    cases = [pytest.param(subject, drawn(subject), id=subject.name) for subject in subjects]
    return pytest.mark.parametrize(("subject", "drawn"), cases)


def test_no_dialect_is_above_the_laws() -> None:
    """Whatever the table of dialects has is a subject."""
    assert {subject.dialect.name for subject in DIALECTS} == set(dialects.DIALECTS)


@each(ASKING, lambda subject: subject.exact_chats())
@settings(deadline=None)
@given(data=st.data())
def test_requests_survive(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """What is written to an upstream says what the client said, but for what the losses name."""
    laws.requests_survive(subject, data.draw(drawn))


@each(ASKING, lambda subject: subject.marked_chats())
@settings(deadline=None)
@given(data=st.data())
def test_nothing_is_missing(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """No word of a client is passed over in silence."""
    laws.nothing_is_missing(subject, data.draw(drawn))


@each(ANSWERING, lambda subject: subject.answers())
@settings(deadline=None)
@given(data=st.data())
def test_answers_survive(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """Whole and streamed, an answer says the same."""
    laws.answers_survive(subject, data.draw(drawn))


@each(ANSWERING, lambda subject: subject.answers())
@settings(deadline=None)
@given(data=st.data())
def test_pieces_do_not_matter(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """A text cut anywhere is the same text."""
    answer = data.draw(drawn)
    laws.pieces_do_not_matter(subject, data.draw(laws.in_pieces(answer)), answer)


@each(DIALECTS, lambda subject: subject.odd_streams)
@settings(deadline=None)
@given(data=st.data(), places=CUTS)
def test_cuts_do_not_matter(
    subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject, places: list[int]
) -> None:
    """However the network cuts a stream, odd or not, it tells the same."""
    laws.cuts_do_not_matter(lambda: subject.upstream.reader("seed"), data.draw(drawn), places)


@each(ANSWERING, lambda subject: subject.answers())
@settings(deadline=None)
@given(data=st.data(), short=st.integers(1, 10_000))
def test_a_cut_stream_is_not_done(
    subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject, short: int
) -> None:
    """What ends before the dialect's own end has been cut: before `[DONE]`, an event or line that says so, a bracket."""
    laws.a_cut_stream_is_not_done(subject, data.draw(drawn), short)


@each(DIALECTS, lambda subject: st.binary(max_size=200) | subject.odd_streams)
@settings(deadline=None)
@given(data=st.data())
def test_any_bytes_are_read(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """Nothing but ProtocolError ever comes out of a reader."""
    laws.any_bytes_are_read(subject, data.draw(drawn))


@each(DIALECTS, lambda subject: subject.odd_bodies)
@settings(deadline=None)
@given(data=st.data())
def test_any_json_is_read(subject: laws.Subject, drawn: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """Nor does any JSON in the dialect's own words surprise them."""
    for body in data.draw(drawn):
        laws.any_bytes_are_read(subject, body)


@pytest.mark.parametrize(
    ("subject", "status"),
    [pytest.param(each, status, id=f"{each.name}-{status}") for each in ANSWERING for status in each.statuses],
)
def test_errors_survive(subject: laws.Subject, status: int) -> None:
    """An error in a stream keeps its kind."""
    laws.errors_survive(subject, Fault(status, "too much", "some_code", retry_after=1.5))
