"""The table of facts for readers: nothing of the table is left out in any of its forms."""

from __future__ import annotations

import json

from routebook.documents.quantities import EXAMPLES, Unit
from routebook.policy.fact_pages import facts_as_markdown, facts_as_text, facts_as_values
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from routebook.policy.operators import OPERATORS
from routebook.policy.published import condition_schemas, given_schema, written_as

TABLE = FactTable(
    (
        FactSpec("request.model", FactType.TEXT, CostClass.GIVEN, "the model asked for"),
        FactSpec(
            "request.operation", FactType.TEXT, CostClass.GIVEN, "what is asked for", words=("chat", "embeddings")
        ),
        FactSpec("prompt.tokens", FactType.NUMBER, CostClass.SCANNED, "size of the prompt", unit=Unit.TOKENS),
        FactSpec("prompt.images", FactType.NUMBER, CostClass.GIVEN, "images"),
        FactSpec("tags", FactType.SET, CostClass.GIVEN, "tags of the client | of the request"),
        FactSpec("time.of_day", FactType.NUMBER, CostClass.GIVEN, "the clock", unit=Unit.CLOCK, zoned=True),
        FactSpec(
            "budget.NAME.left", FactType.NUMBER, CostClass.ASKED, "what is left", unit=Unit.SHARE, units=(Unit.MONEY,)
        ),
        FactSpec("model.NAME.available", FactType.FLAG, CostClass.ASKED, "whether it can be called"),
    )
)


def test_every_form_names_every_fact_with_its_documentation() -> None:
    """Text, JSON and the page show each row of the table."""
    for page in (facts_as_text(TABLE), json.dumps(facts_as_values(TABLE)), facts_as_markdown(TABLE)):
        for spec in TABLE:
            assert spec.name in page
    assert all(spec.doc in facts_as_text(TABLE) for spec in TABLE)


def test_values_say_how_a_fact_may_be_asked() -> None:
    """A program learns type, cost, units, words and operators of each fact."""
    rows = {row["name"]: row for row in facts_as_values(TABLE)}
    assert rows["budget.NAME.left"]["units"] == ["share", "money"]
    assert rows["budget.NAME.left"]["cost"] == "asked"
    assert rows["request.operation"]["words"] == ["chat", "embeddings"]
    assert {"any", "all", "none"} <= set(rows["tags"]["operators"])
    assert "from" in rows["time.of_day"]["operators"] and "from" not in rows["prompt.tokens"]["operators"]


def test_the_page_keeps_its_tables_whole() -> None:
    """A bar in a documentation line does not open a new column; every operator and unit is explained."""
    page = facts_as_markdown(TABLE)
    assert "tags of the client \\| of the request" in page
    assert all(f"| `{name}` |" in page for name in OPERATORS)
    assert all(EXAMPLES[unit] in page for unit in Unit)
    assert "## Scored" not in page, "a class without facts has no heading"


def test_a_type_is_said_with_its_unit_or_its_words() -> None:
    """What an author must write is part of the type."""
    said = {spec.name: written_as(spec) for spec in TABLE}
    assert said["prompt.tokens"] == "tokens: `90000`, `32k` or `2M`"
    assert said["budget.NAME.left"] == "share: `80%`; or money: `$0.05` or `$500`"
    assert said["request.operation"] == "text: `chat`, `embeddings`"
    assert (said["prompt.images"], said["tags"]) == ("number", "set")


def test_families_are_patterns_in_the_schemas() -> None:
    """`budget.NAME.left` stands for every name, dots included, and for nothing else."""
    facts = condition_schemas(TABLE)["condition"]["anyOf"][0]
    assert "^budget\\..+\\.left$" in facts["patternProperties"]
    assert "budget.NAME.left" not in facts["properties"]
    assert "^time\\.of_day\\[.+\\]$" in given_schema(TABLE)["patternProperties"]
