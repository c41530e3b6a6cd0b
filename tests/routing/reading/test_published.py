"""The published schemas say what the readers say: about the shipped policy, and about every mistake of form."""

from __future__ import annotations

from pathlib import Path

import pytest

from routebook.documents import schema as build
from routebook.documents.loading import load_documents
from routebook.documents.places import is_test_file, policy_files
from routebook.policy.facts import FactType
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Pick
from routebook.routing.reading.published import PICKS, policy_schema, policy_test_schema
from routebook.routing.reading.sections import SECTIONS
from tests.support.authored import node
from tests.support.mistakes import mistakes

POLICY, TESTS = policy_schema(FACTS), policy_test_schema(FACTS)
SHIPPED = Path(__file__).parents[3] / "rules"

FORM = {
    "document.unknown-key",
    "document.missing-key",
    "document.wrong-unit",
    "document.bad-name",
    "document.unknown-word",
    "policy.unknown-fact",
    "policy.unknown-operator",
    "policy.wrong-operator",
    "policy.no-outcome",
    "policy.two-outcomes",
    "policy.empty-condition",
    "policy.empty-list",
    "policy.unknown-version",
}
"""Codes of mistakes that an editor can see: the form is wrong, whatever else the policy says."""

BEYOND_FORM = {
    "task-misspelt-in-a-rule",
    "hour-that-does-not-exist",
    "date-that-does-not-exist",
    "date-in-a-thirteenth-month",
    "budget-without-a-unit",
    "limit-of-a-fraction",
}
"""Mistakes whose code is one of form, and whose form is right."""


def _faults_in(path: Path) -> list[str]:
    documents, problems = load_documents(policy_files(path))
    assert not problems.found
    found = []
    for document in documents:
        schema = TESTS if is_test_file(Path(document.file)) else POLICY
        found += [f"{document.file}: {fault}" for fault in build.faults(schema, build.as_data(document.root))]
    return found


def _policy_faults(text: str) -> list[str]:
    return list(build.faults(POLICY, build.as_data(node(text))))


@pytest.mark.parametrize("schema", [POLICY, TESTS], ids=["policy", "test"])
def test_the_schemas_are_schemas(schema: build.Schema) -> None:
    """They fit the metaschema of draft 2020-12, and every reference leads somewhere."""
    assert schema["$schema"] == build.DIALECT
    build.check_schema(schema)


def test_the_shipped_policy_fits() -> None:
    """What a new user opens first shows no fault in an editor."""
    assert _faults_in(SHIPPED) == []


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda mistake: mistake.name)
def test_mistakes_of_form_show_in_an_editor_and_others_do_not(mistake) -> None:  # type: ignore[no-untyped-def]
    """Where `check` finds a fault of form, an editor with the schema finds one too; sound forms stay unmarked."""
    result = mistake.load()
    if any(not document.readable for document in result.documents) or not result.documents:
        return
    codes = {problem.code for problem in result.problems.errors}
    documents = [(Path(document.file), build.as_data(document.root)) for document in result.documents]
    faults = [
        fault
        for file, data in documents
        if data is not None
        for fault in build.faults(TESTS if is_test_file(file) else POLICY, data)
    ]
    if codes & FORM and mistake.name not in BEYOND_FORM:
        assert faults, codes
    if codes <= {
        "policy.gap",
        "policy.unreachable-rule",
        "policy.unknown-model",
        "policy.unknown-provider",
        "policy.test-failed",
        "policy.unknown-rule",
        "policy.unknown-condition",
        "policy.unknown-pattern",
    }:
        assert not faults, codes


@pytest.mark.parametrize(
    "condition",
    [
        "{tags: {any: [batch]}}",
        "{tags: {none: phi, missing: holds}}",
        "{client.team: research}",
        "{client.team: [research, support]}",
        "{client.team: {not: interns}}",
        "{client.team: {known: false}}",
        "{prompt.tokens: {at_least: 32k, below: 128000}}",
        "{prompt.tokens: {not: {between: [1k, 2k]}}}",
        "{request.stream: true}",
        "{request.model: {glob: gpt-*}}",
        "{request.model: {prefix: [gpt, llama]}}",
        "{time.of_day: {from: '22:00', to: 06:00, zone: Europe/Berlin}}",
        "{time.weekday: [sat, sun]}",
        "{time.date: {from: '2026-12-24', to: '2026-12-26'}}",
        "{any_of: [named, {client.team: 12}]}",
        "{all_of: [{request.stream: false}, named]}",
        "named",
        "{client.label.cost-centre: '4711'}",
        "{request.needs: {all: [tools, vision]}}",
    ],
)
def test_conditions_that_the_language_has_fit(condition: str) -> None:
    """The operators of each type of fact, in the ways they may be written."""
    assert _policy_faults(f"rules:\n- {{name: a, when: {condition}, route: {{to: small}}}}") == []


@pytest.mark.parametrize(
    "condition",
    [
        "{tags: batch}",
        "{client.team: {at_least: 3}}",
        "{prompt.tokens: lots}",
        "{prompt.tokens: {between: [1k]}}",
        "{request.stream: yes}",
        "{time.weekday: sunday}",
        "{any_of: named}",
        "{any_of: []}",
        "[named]",
        "{}",
        "{request.modle: auto}",
        "{client.team: {nott: a}}",
        "{client.team: {missing: maybe}}",
    ],
)
def test_conditions_that_the_language_has_not_do_not_fit(condition: str) -> None:
    """What the reader refuses for its form, the schema refuses."""
    assert _policy_faults(f"rules:\n- {{name: a, when: {condition}, route: {{to: small}}}}")


def test_every_fact_and_every_section_is_described() -> None:
    """Completion offers every fact with its line of documentation, and every section with what it holds."""
    mapping = POLICY["$defs"]["condition"]["anyOf"][0]
    described = {**mapping["properties"], **mapping["patternProperties"]}
    assert len(described) == len(list(FACTS)) + 2
    assert all(schema["description"] for schema in described.values())
    assert {key: value["description"] for key, value in POLICY["properties"].items()} == SECTIONS


def test_every_way_to_pick_says_what_it_does() -> None:
    """No word of `pick` is offered without its meaning."""
    assert set(PICKS) == set(Pick)


def test_facts_are_given_in_tests_as_they_are_asked_in_rules() -> None:
    """A policy test gives each fact a value of its type; a set as a list, a clock in a zone."""
    given = "{tags: [nightly, batch], prompt.tokens: 90k, 'time.of_day[Europe/Berlin]': '23:30', request.stream: true}"
    good = build.as_data(node(f"tests:\n- {{name: a test, given: {given}, expect: {{rule: x}}}}"))
    assert list(build.faults(TESTS, good)) == []
    for bad in ("{prompt.tokens: [1, 2]}", "{request.stream: maybe}", "{zebra: 1}"):
        data = build.as_data(node(f"tests:\n- {{name: a test, given: {bad}, expect: {{rule: x}}}}"))
        assert list(build.faults(TESTS, data)), bad


def test_the_table_has_facts_of_every_type() -> None:
    """The tests above would prove nothing of a type that no fact has."""
    assert {spec.type for spec in FACTS} == set(FactType)
