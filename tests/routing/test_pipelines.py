"""Pipelines as a policy has them: sentences, what is proven of their models, and what an author hears."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.routing.pipelines import LONGEST, SHORTEST, Sentences
from routebook.routing.reading.loading import load_sources

POLICY = """\
version: 1
providers:
  here: {dialect: openai, base_url: "https://eu.example.com/v1", region: eu, accounts: [{name: main}]}
  there: {dialect: openai, base_url: "https://us.example.com/v1", region: us, accounts: [{name: main}]}
models:
  writer: {provider: here, price: {input: 1, output: 2}}
  voice: {provider: here, operations: [speech], price: {characters: 15}}
  far-writer: {provider: there, price: {input: 1, output: 2}}
  far-voice: {provider: there, operations: [speech], price: {characters: 15}}
rules:
  - name: spoken
    when: {request.needs: {any: [audio_out]}, request.operation: chat}
    route: {to: [writer], pipeline: {text: [TEXT], speech: [SPEECH]}}
  - {name: others, route: {to: [writer]}}
guarantees:
  - {name: stays-here, only: {region: eu}}
"""


def problems(text: str, speech: str) -> list[str]:
    """The codes of what is wrong with the policy."""
    source = POLICY.replace("TEXT", text).replace("SPEECH", speech)
    loaded = load_sources((("policy.yaml", source),))
    return [f"{each.severity.value}:{each.code}" for each in loaded.problems]


@pytest.mark.parametrize(
    ("text", "speech", "broken"),
    [
        ("writer", "voice", False),
        ("far-writer", "voice", True),
        ("writer", "far-voice", True),
        ("writer", "voice, far-voice", True),
    ],
)
def test_guarantees_hold_for_either_half(text: str, speech: str, broken: bool) -> None:
    """Who writes and who speaks are candidates like all others: the proof goes over them."""
    found = problems(text, speech)
    assert any("guarantee" in each for each in found) is broken, found
    assert broken or not [each for each in found if each.startswith("error")], found


@pytest.mark.parametrize(("text", "speech"), [("voice", "voice"), ("writer", "writer"), ("wrter", "voice")])
def test_a_stage_needs_who_can_serve_it(text: str, speech: str) -> None:
    """An unknown name, or a model that is asked for something else."""
    found = problems(text, speech)
    assert "error:policy.wrong-stage" in found or "error:policy.unknown-model" in found


@given(st.text(st.sampled_from(list("ab .!?\n\"'…。")), max_size=80), st.lists(st.integers(0, 80), max_size=8))
def test_no_word_is_lost_between_sentences(text: str, cuts: list[int]) -> None:
    """However it comes, all of it is spoken, in its order, in pieces that a model takes."""
    sentences, said, at = Sentences(), [], 0
    for cut in [*sorted(cuts), len(text)]:
        said += sentences.feed(text[at:cut])
        at = max(at, cut)
    assert all(SHORTEST <= len(each) for each in said)
    assert "".join([*said, sentences.end()]) == text


def test_sentences() -> None:
    """An abbreviation is not one, and what never ends is cut between words."""
    sentences = Sentences()
    assert sentences.feed('Dr. No said: "It is late." Then ') == ['Dr. No said: "It is late." ']
    assert sentences.feed("he left.\nAnd 3.14 is") == ["Then he left.\n"]
    assert sentences.end() == "And 3.14 is"
    endless = sentences.feed("word " * 500)
    assert endless and all(len(each) <= LONGEST and each.endswith(" ") for each in endless)


def test_the_shipped_policy_names_who_speaks() -> None:
    """`make run` serves chats in sound, speech and transcriptions without a key."""
    text = (Path(__file__).parents[2] / "rules" / "catalogue.yaml").read_text()
    assert all(name in text for name in ("gpt-audio:", "gpt-4o-mini-tts:", "gpt-4o-transcribe:", "whisper-1:"))
