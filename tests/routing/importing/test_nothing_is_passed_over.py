"""Whatever stands in a source is accounted for, and nothing secret leaves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routebook.documents.loading import load_text
from routebook.documents.nodes import Mapping, Node, Sequence
from routebook.documents.problems import Location, Problems
from routebook.routing.importing.converting import GATEWAYS, Imported, convert
from routebook.routing.importing.report import Verdict, as_text, as_values
from routebook.routing.reading.loading import load_sources

CORPUS = Path(__file__).parents[2] / "corpus" / "imports"
FILES = sorted((gateway, path) for gateway in GATEWAYS for path in (CORPUS / gateway).iterdir())
NAMES = [f"{gateway}-{path.stem}" for gateway, path in FILES]
SECRETS = re.compile(r'"?(sk-[a-z0-9-]+|[a-z0-9-]*secret[a-z0-9-]*|hunter2-hunter2|AKIA-literal)"?', re.IGNORECASE)


def read(gateway: str, path: Path, text: str | None = None) -> Imported:
    """What became of a file of the corpus, or of another text in its place."""
    return convert(gateway, path.name, path.read_text() if text is None else text, ("gpt-one",))


def leaves(node: Node, path: str, place: Location) -> Iterator[tuple[list[str], Location]]:
    """Every value at the end of a branch, as the paths that lead to it, each with what holds it before it."""
    match node:
        case Mapping(entries) if entries:
            for key, value in entries:
                inner = f"{path}.{key.text}" if path else key.text
                for above, where in leaves(value, inner, key.location):
                    yield [inner, *above], where
        case Sequence(items) if items:
            for number, item in enumerate(items):
                for above, where in leaves(item, f"{path}[{number}]", item.location):
                    yield [f"{path}[{number}]", *above], where
        case _:
            yield [], place


def unaccounted(found: Imported) -> list[list[str]]:
    """The values of a source of which neither their own key nor one that holds it is spoken of."""
    assert found.document.root is not None
    spoken = {note.path for note in found.report.notes}
    return [
        above for above, _ in leaves(found.document.root, "", found.document.root.location) if not set(above) & spoken
    ]


@pytest.mark.parametrize(("gateway", "path"), FILES, ids=NAMES)
def test_every_key_is_accounted_for(gateway: str, path: Path) -> None:
    """Carried, changed, without meaning or not carried: each value by its own key or by one that holds it."""
    found = read(gateway, path)
    assert found.policy is not None
    assert unaccounted(found) == []
    lines = found.document.text.split("\n")
    for note in found.report.notes:
        last = re.split(r"[.\[]", note.path.removesuffix("]"))[-1]
        assert note.said and (last.isdigit() or last[:10] in lines[note.location.line - 1]), note


@pytest.mark.parametrize(("gateway", "path"), FILES, ids=NAMES)
def test_the_policy_is_fit_to_serve_and_in_form(gateway: str, path: Path) -> None:
    """`check` accepts it, and the same source gives the same text."""
    found = read(gateway, path)
    assert found.policy is not None
    assert load_sources([("policy.yaml", found.policy)]).policy is not None
    assert read(gateway, path).policy == found.policy


@pytest.mark.parametrize(("gateway", "path"), FILES, ids=NAMES)
def test_no_secret_leaves_the_source(gateway: str, path: Path) -> None:
    """Neither the policy nor the report, in words or as values, holds a key, a password or an address with one in it."""
    found = read(gateway, path)
    secrets = {text for text in SECRETS.findall(path.read_text()) if "_" not in text and len(text) > 8}
    told = (found.policy or "") + as_text(found.report, every=True) + json.dumps(as_values(found.report))
    assert not [secret for secret in secrets if secret in told]
    written = {each.name for each in found.report.variables if each.was_written}
    assert written <= {each.name for each in found.report.variables}


def branches(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all mappings of a document."""
    if isinstance(value, dict):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from branches(each, (*path, key))


@pytest.mark.parametrize(("gateway", "path"), FILES, ids=NAMES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_key_that_nobody_knows_is_reported_wherever_it_stands(gateway: str, path: Path, data: st.DataObject) -> None:
    """It is named itself, or as part of something that was not carried; the value, perhaps a secret, never is."""
    config = yaml.safe_load(path.read_text())
    where = data.draw(st.sampled_from(list(branches(config))))
    value = data.draw(
        st.sampled_from(["sk-unheard-of-secret", ["sk-unheard-of-secret"], {"a": {"b": "sk-unheard-of-secret"}}])
    )
    at = config
    for step in where:
        at = at[step]
    at["unheard_of"] = value
    found = read(gateway, path, json.dumps(config, indent=1))
    assert found.document.root is not None
    assert unaccounted(found) == []
    told = (found.policy or "") + as_text(found.report, every=True)
    assert "sk-unheard-of-secret" not in told


def test_what_is_no_configuration() -> None:
    """A text that is no YAML, and one that is something else: no policy, and a reason."""
    broken = convert("litellm", "config.yaml", "model_list: [", ())
    assert broken.policy is None and [problem.code for problem in broken.problems.errors] == ["document.syntax"]
    other = convert("litellm", "config.yaml", "services: {web: {image: nginx}}", ())
    assert other.policy is None
    assert [(note.verdict, note.path) for note in other.report.notes] == [(Verdict.LEFT, "services")]
    assert convert("bifrost", "config.json", "[1]", ()).policy is None


def test_json_may_be_indented_by_tabs() -> None:
    """Places are those of an editor that counts a tab as one column."""
    text = '{\n\t"providers": {\n\t\t"openai": {"keys": [{"value": "env.K", "models": ["m"], "weight": 1}]}\n\t},\n\t"x": 1\n}\n'
    found = convert("bifrost", "config.json", text, ())
    assert found.policy is not None
    assert [str(note.location) for note in found.report.of(Verdict.LEFT)] == ["config.json:5:2"]


def test_two_keys_of_one_vendor_are_two_variables() -> None:
    """Keys that stand in the source are told apart, and the same key is one variable."""
    deployment = "  - {model_name: chat, litellm_params: {model: openai/m%s, api_key: sk-%s}}\n"
    text = "model_list:\n" + "".join(deployment % pair for pair in ((1, "aaaa"), (2, "bbbb"), (3, "aaaa")))
    found = convert("litellm", "config.yaml", text, ())
    assert found.policy is not None and "sk-" not in found.policy
    assert [each.name for each in found.report.variables] == ["CHAT_API_KEY", "CHAT_API_KEY_2"]
    providers = load_text("p", found.policy, Problems()).root
    assert isinstance(providers, Mapping)
    declared = providers.get("providers")
    assert isinstance(declared, Mapping) and len(declared.entries) == 2
