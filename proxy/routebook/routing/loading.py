"""Policy files -> a policy in force-ready form, with everything its author should hear, all at once.

The way: files -> documents -> sections -> catalogue, terms, rules -> checks over the whole -> compiled tree -> the
policy's own tests. A policy comes out only where no error was found on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from routebook.documents.loading import load_documents, load_text
from routebook.documents.nodes import Document
from routebook.documents.places import policy_files
from routebook.documents.problems import Location, Problems
from routebook.routing.assembly import assemble
from routebook.routing.policy import Policy
from routebook.routing.sections import read_sections
from routebook.routing.trials import run_tests


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of a policy's files: the policy, or None where an error was found; and what was found."""

    policy: Policy | None
    problems: Problems
    documents: tuple[Document, ...]


def load_policy(path: Path) -> LoadResult:
    """The policy in a directory (its YAML files and those of its `tests/`) or in one file."""
    files = policy_files(path)
    if not files:
        problems = Problems()
        what = "holds no YAML file" if path.exists() else "does not exist"
        problems.error("policy.no-files", f"`{path}` {what}", Location(str(path), 1, 1),
                       "name a policy file, or a directory of them")
        return LoadResult(None, problems, ())
    documents, problems = load_documents(files)
    names = [file.relative_to(path).as_posix() if file != path else file.name for file in files]
    return _load(list(zip(names, documents, strict=True)), problems)


def load_sources(sources: Sequence[tuple[str, str]]) -> LoadResult:
    """The policy in texts, each with its name in the policy (`policy.yaml`, `tests/night.yaml`)."""
    problems = Problems()
    documents = [(name, load_text(name, text, problems)) for name, text in sources]
    return _load(documents, problems)


def digest_of(sources: Iterable[tuple[str, str]]) -> str:
    """What identifies a policy: SHA-256 over its files' names and bytes, in the order of their names; 16 hex digits.

    It does not depend on where the policy stands. Lengths are part of what is hashed, so that no two different sets
    of files run together to the same bytes.
    """
    whole = hashlib.sha256()
    for name, text in sorted(sources):
        for part in (name.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass")):
            whole.update(len(part).to_bytes(8, "big"))
            whole.update(part)
    return whole.hexdigest()[:16]


def _load(named: Sequence[tuple[str, Document]], problems: Problems) -> LoadResult:
    documents = tuple(document for _, document in named)
    sources = tuple((name, document.text) for name, document in named)
    policy = assemble(read_sections(named, problems), digest_of(sources), sources)
    if policy is not None:
        run_tests(policy, problems)
    return LoadResult(None if problems.errors else policy, problems, documents)
