"""Facts given by hand on a command line."""

from __future__ import annotations

import pytest

from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from tests.policy.worlds import TABLE


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("tokens=90k", "tokens", 90_000),
        ("tokens = 90 k", "tokens", 90_000),
        ("tags=nightly,batch", "tags", frozenset({"nightly", "batch"})),
        ("tags=", "tags", frozenset()),
        ("team=a=b", "team", "a=b"),
        ("stream=true", "stream", True),
        ("hour=23:30", "hour", 84600),
        ("hour[Europe/Berlin]=23:30", "hour[Europe/Berlin]", 84600),
        ("weekday=fri", "weekday", "fri"),
        ("budget.month.left=8%", "budget.month.left", 0.08),
        ("budget.month.left=$5", "budget.month.left[amount]", 5_000_000_000),
        ("budget.month.left[amount]=$5", "budget.month.left[amount]", 5_000_000_000),
        ("label.floor=third", "label.floor", "third"),
    ],
)
def test_a_fact_gets_the_key_and_value_that_rules_ask_for(text: str, key: str, value: Value) -> None:
    """Values are typed by the table: units, sets, zones, and amounts of what is a share by nature."""
    assert parse_given(text, TABLE) == (key, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokens", "`tokens` is not a fact; write `name=value`"),
        ("token=5", "unknown fact `token`; did you mean `tokens`?"),
        ("tokens=many", "`many` is not a number of tokens; write it as `90000`, `32k` or `2M`"),
        ("stream=yes", "`stream` is `true` or `false`, not `yes`"),
        ("weekday=friday", "`friday` is not a value of `weekday`"),
        ("hour[Europe/Berlim]=23:30", "`hour[Europe/Berlim]` is no key of `hour`; did you mean `Europe/Berlin`?"),
        ("hour[=23:30", "`hour[` is no key of `hour`"),
        ("tokens[UTC]=5", "`tokens[UTC]` is no key of `tokens`"),
        ("budget.m.left=lots", "`lots` is not a share; write it as `80%`"),
    ],
)
def test_a_mistake_is_told_in_the_author_s_words(text: str, message: str) -> None:
    """Every mistake is a ValueError whose message can be shown as it is."""
    with pytest.raises(ValueError) as raised:
        parse_given(text, TABLE)
    assert str(raised.value).startswith(message)
