"""From files to a policy, or to everything that is wrong with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from routebook.catalogue.models import Price
from routebook.documents.printing import as_json, as_text
from routebook.documents.quantities import NANO, Unit
from routebook.routing.reading.loading import digest_of, load_policy, load_sources
from tests.support.authored import codes, lines

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "tests/corpus/policies/design-example.yaml"

PROVIDERS = """\
providers:
  one: {dialect: openai, base_url: https://one.example/v1, region: eu, accounts: [{name: a}]}
models:
  large: {provider: one}
"""
RULES = "rules:\n  - {name: all, route: {to: requested}}\n"
WHOLE = "version: 1\n" + PROVIDERS + RULES


def test_the_example_of_the_language_loads() -> None:
    """The page that defines the language shows a policy; it is one, and its own test passes."""
    result = load_policy(EXAMPLE)
    assert result.policy is not None, lines(result.problems)
    policy = result.policy
    assert [rule.name for rule in policy.rules][-1] == "otherwise-what-was-asked-for"
    assert policy.catalogue.models["gpt-large"].price == Price(
        input=2_500_000_000, cached_input=250_000_000, cache_write=2_500_000_000, output=15 * NANO, reasoning=15 * NANO
    )
    assert (policy.budgets["batch-day"].limit, policy.budgets["batch-day"].unit) == (20_000_000, Unit.TOKENS)
    assert policy.guarantees[0].reach.regions == {"eu"} and policy.guarantees[1].never
    assert policy.tests[0].expect.model == "gpt-small"


def test_what_the_example_leaves_untested_is_said() -> None:
    """Everything that it declares is in force."""
    assert codes(load_policy(EXAMPLE).problems) == ["warning policy.untested-rule"]


def test_the_shipped_policy_is_fit_to_serve() -> None:
    """Without a warning, with all its tests passed."""
    result = load_policy(ROOT / "rules")
    assert result.policy is not None and not result.problems.found, lines(result.problems)
    assert len(result.policy.tests) >= len(result.policy.rules)


def test_files_of_a_directory_are_one_policy(tmp_path: Path) -> None:
    """Sections are merged over files; tests may stand in `tests/`; other directories are not read."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "drafts").mkdir()
    (tmp_path / "a.yaml").write_text("version: 1\n" + PROVIDERS)
    (tmp_path / "b.yaml").write_text("models:\n  small: {provider: one}\n" + RULES)
    (tmp_path / "tests" / "t.yaml").write_text(
        "tests:\n  - {name: t, given: {request.model: small}, expect: {rule: all}}\n"
    )
    (tmp_path / "drafts" / "c.yaml").write_text("nonsense: [")
    result = load_policy(tmp_path)
    assert result.policy is not None, lines(result.problems)
    assert set(result.policy.catalogue.models) == {"large", "small"}
    assert [test.name for test in result.policy.tests] == ["t"]
    assert [name for name, _ in result.policy.sources] == ["a.yaml", "b.yaml", "tests/t.yaml"]


def test_a_policy_is_the_same_wherever_it_stands(tmp_path: Path) -> None:
    """The digest is that of names and bytes, so a record can be matched on another machine."""
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "policy.yaml").write_text(WHOLE)
    here, there = (load_policy(tmp_path / place).policy for place in ("here", "there"))
    assert here is not None and there is not None
    again = load_sources(here.sources).policy
    assert again is not None
    assert here.digest == there.digest == again.digest
    (tmp_path / "there" / "policy.yaml").write_text(WHOLE + "# a word more\n")
    changed = load_policy(tmp_path / "there").policy
    assert changed is not None and changed.digest != here.digest


def test_digests_do_not_run_together() -> None:
    """Moving bytes from one file to the next, or from a name to a text, is another policy; the order of files is not."""
    assert digest_of([("a", "bc")]) != digest_of([("ab", "c")]) != digest_of([("a", "b"), ("c", "")])
    assert digest_of([("a", "1"), ("b", "2")]) == digest_of([("b", "2"), ("a", "1")])
    assert len(digest_of([])) == 16


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_a_policy_needs_a_file(tmp_path: Path, place: str) -> None:
    """Neither a path that is not there nor an empty directory is a policy."""
    (tmp_path / "empty").mkdir()
    result = load_policy(tmp_path / place)
    assert result.policy is None and codes(result.problems) == ["policy.no-files"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["policy.no-version", "policy.no-rules"]),
        (PROVIDERS + RULES, ["policy.no-version"]),
        (WHOLE.replace("version: 1", "version: 2"), ["policy.unknown-version"]),
        (WHOLE.replace("version: 1", "version: [1]"), ["policy.unknown-version"]),
        ("version: 1\n" + PROVIDERS, ["policy.no-rules"]),
        (WHOLE + "rulez: []\n", ["document.unknown-key"]),
        ("[1, 2]", ["document.wrong-type"]),
        ("version: 1\nproviders: []\nrules: {}\n", ["document.wrong-type", "document.wrong-type"]),
    ],
)
def test_the_frame_of_a_policy(text: str, expected: list[str]) -> None:
    """A version, rules, and only sections that there are."""
    assert sorted(codes(load_sources([("policy.yaml", text)]).problems)) == sorted(expected)


def test_a_name_in_two_files_is_shown_with_both_places() -> None:
    """Sections are merged, so a name defined twice is an error, not an override."""
    result = load_sources([("a.yaml", WHOLE), ("b.yaml", "models:\n  large: {provider: one}\nversion: 1\n")])
    assert lines(result.problems) == [
        "2:3 document.duplicate-name `large` is defined twice in `models`",
        "3:1 document.duplicate-name `version` is given twice",
    ]
    assert [problem.related[0][0].file for problem in result.problems] == ["a.yaml", "a.yaml"]


def test_rules_stand_in_one_file() -> None:
    """Their order is what an author reads, so it cannot depend on the names of files."""
    result = load_sources([("a.yaml", WHOLE), ("b.yaml", "rules:\n  - {name: more, route: {to: large}}\n")])
    assert "policy.rules-in-two-files" in codes(result.problems)


def test_a_file_that_cannot_be_read_hides_nothing_and_is_blamed_for_nothing_else() -> None:
    """What may stand in the unreadable file is not reported as absent; slips in the other files are."""
    result = load_sources([("a.yaml", "rules: [\n"), ("b.yaml", "models:\n  large: {provider: on}\n" + PROVIDERS[:10])])
    assert result.policy is None
    assert not {"policy.no-version", "policy.no-rules"} & set(codes(result.problems))
    assert "policy.unknown-provider" in codes(result.problems)


def test_files_of_tests_hold_tests() -> None:
    """A rule in `tests/` would be read by nobody who looks for rules."""
    result = load_sources([("policy.yaml", WHOLE), ("tests/a.yaml", "rules: []\n")])
    assert codes(result.problems) == ["document.unknown-key"]


def test_a_policy_without_tests_is_not_told_so() -> None:
    """Its author knows; only rules that the tests of others pass by are pointed out."""
    result = load_sources([("policy.yaml", WHOLE)])
    assert result.policy is not None and not result.problems.found


def test_a_policy_survives_a_pickle() -> None:
    """Workers receive it from the process that compiled it."""
    policy = load_policy(EXAMPLE).policy
    assert policy is not None
    again = pickle.loads(pickle.dumps(policy))
    facts = {"tags": frozenset({"phi"})}
    assert again.tree.decide(facts.get).rule.name == policy.tree.decide(facts.get).rule.name == "health-data-stays-home"


SECRET = "sk-live-0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("{name: a}", f"{{name: a, key: {SECRET}}}"),
        WHOLE.replace("{name: a}", f"{{name: a, key: '{SECRET}'}}"),
        WHOLE.replace("{name: a}", f"{{name: a, kee: {SECRET}}}"),
        WHOLE.replace("{name: a}", f"{{name: a, key: {{env: {SECRET}}}}}"),
        WHOLE.replace("https://one", f"https://u:{SECRET}@one"),
        WHOLE.replace("rules:", f"clients: {{c: {{keys: [{SECRET}]}}}}\nrules:"),
        WHOLE + f"{SECRET}: [",
    ],
)
def test_no_secret_leaves_the_policy_with_its_problems(text: str) -> None:
    """Neither messages nor the lines shown under them repeat a key that somebody wrote down by mistake."""
    result = load_sources([("policy.yaml", text)])
    assert result.policy is None
    assert "0123456789" not in as_text(result.problems, result.documents)
    assert "0123456789" not in as_json(result.problems).replace(f"`{SECRET}`", "")


def test_a_key_over_several_lines_is_hidden_to_the_end_of_its_line() -> None:
    """Where a key cannot be found as it reads, nothing after it is shown."""
    result = load_sources([("policy.yaml", WHOLE.replace("{name: a}", '{name: a, key: "hunter\\x32", weight: 0}'))])
    shown = as_text(result.problems, result.documents)
    assert "hunter" not in shown and "key: ****" in shown and "weight" not in shown.replace("`weight`", "")


def test_an_odd_looking_key_is_hidden_with_the_caret_in_place() -> None:
    """A key of unknown make is starred out where it stands; the rest of its line stays readable."""
    result = load_sources([("policy.yaml", WHOLE.replace("{name: a}", "{name: a, key: hunter2, weight: 0}"))])
    shown = as_text(result.problems, result.documents)
    assert "hunter2" not in shown and "key: *******, weight: 0}" in shown
