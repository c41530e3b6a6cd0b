"""The page of what is carried."""

from __future__ import annotations

from dataclasses import replace

from routebook.chat.features import Feature, Telling
from routebook.protocols.carried_page import protocols_page
from routebook.protocols.carrying import CARRIED, changed, lost
from routebook.protocols.codec import Dialect
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT


def other() -> Dialect:
    """A dialect that carries little, and that no client speaks."""
    assert OPENAI_CHAT.upstream is not None
    carries = {**dict.fromkeys(Feature, CARRIED), Feature.STOP: lost("never"), Feature.USER: changed("| as x")}
    del carries[Feature.SEED]
    return replace(OPENAI_CHAT, name="other", client=None, upstream=replace(OPENAI_CHAT.upstream, carries=carries))


def test_every_feature_has_a_row_and_every_dialect_a_column() -> None:
    """So that nobody has to guess."""
    page = protocols_page([OPENAI_CHAT, other()])
    assert all(f"| {feature.about} | `{feature.word}` |" in page for feature in Feature)
    assert all(f"| {telling.about} |" in page for telling in Telling)
    assert "| what a request holds | name | where it is not carried | to openai-chat | to other |" in page
    assert "| stop sequences | `stop` | refused | yes | no |" in page
    assert "| what an answer holds | to openai-chat |" in page
    assert "| stop sequences | no | never |" in page
    assert "\\| as x" in page


def test_a_pair_says_what_becomes_of_what() -> None:
    """Refused, dropped, changed; what the one cannot ask for is no news of the other."""
    page = protocols_page([OPENAI_CHAT, other()])
    pair = page[page.index("### openai-chat to other") :]
    assert pair == (
        "### openai-chat to other\n\n- refused: stop sequences\n- dropped: the seed of the draw\n- changed: who the end user is\n"
    )
    assert "### other to openai-chat" not in page


def test_a_table_leaves_nothing_out() -> None:
    """What is lost is lost for a reason, which people can read."""
    for dialect in DIALECTS.values():
        if dialect.upstream is not None:
            assert set(dialect.upstream.carries) == set(Feature)
        if dialect.client is not None:
            assert set(dialect.client.tells) == set(Telling)
