"""Policy files -> a policy in force-ready form, with everything its author should hear, all at once.

The way: files -> documents -> sections -> catalogue, terms, rules -> checks over the whole -> compiled tree -> the
policy's own tests. A policy comes out only where no error was found on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from routebook.documents.loading import collector_off, load_documents, load_text
from routebook.documents.nodes import Document, scalars_of
from routebook.documents.places import policy_files
from routebook.documents.problems import Location, Problems
from routebook.routing.policy import Policy
from routebook.routing.reading.assembly import assemble
from routebook.routing.reading.proving import Progress
from routebook.routing.reading.router import SUFFIX as WEIGHTS
from routebook.routing.reading.router import Attached, named_weights
from routebook.routing.reading.sections import read_sections
from routebook.routing.reading.trials import run_tests
from routebook.scoring.weighing import LARGEST_FILE

_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|ghp|AIza|rb_)[-_]?[A-Za-z0-9][-_A-Za-z0-9]{15,}")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of a policy's files: the policy, or None where an error was found; and what was found.

    `documents` are for showing problems: no key stands in their texts.
    """

    policy: Policy | None
    problems: Problems
    documents: tuple[Document, ...]


def load_policy(path: Path, *, proving: bool = True, progress: Progress | None = None) -> LoadResult:
    """The policy in a directory (its YAML files and those of its `tests/`) or in one file.

    Without `proving`, a policy that reads well comes out whatever it does: so that what it does can be shown.
    `progress` is told how far the proofs are.
    """
    files = policy_files(path)
    if not files:
        problems = Problems()
        what = "holds no YAML file" if path.exists() else "does not exist"
        problems.error(
            "policy.no-files",
            f"`{path}` {what}",
            Location(str(path), 1, 1),
            "name a policy file, or a directory of them",
        )
        return LoadResult(None, problems, ())
    names = [file.relative_to(path).as_posix() if file != path else file.name for file in files]
    with collector_off(sum(file.stat().st_size for file in files if file.is_file())):
        documents, problems = load_documents(files)
        folder = path if path.is_dir() else path.parent
        named = list(zip(names, documents, strict=True))
        return _load(named, problems, lambda name: _beside(folder / name), proving, progress)


def load_sources(sources: Sequence[tuple[str, str]], *, proving: bool = True) -> LoadResult:
    """The policy in texts, each with its name in the policy (`policy.yaml`, `tests/night.yaml`, `router.json`)."""
    problems = Problems()
    attached = {name: text for name, text in sources if name.endswith(WEIGHTS)} if len(sources) > 1 else {}
    sources = [(name, text) for name, text in sources if name not in attached]
    with collector_off(sum(len(text) for _, text in sources)):
        named = [(name, load_text(name, text, problems)) for name, text in sources]
        return _load(named, problems, attached.get, proving)


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


def _load(
    named: Sequence[tuple[str, Document]],
    problems: Problems,
    attached: Attached,
    proving: bool,
    progress: Progress | None = None,
) -> LoadResult:
    documents = tuple(document for _, document in named)
    sources = tuple((name, document.text) for name, document in named)
    sections = read_sections(named, problems)
    weights = named_weights(sections.mapping("settings"))
    text = None if weights is None else attached(weights)
    if weights is not None and text is not None:
        sources = (*sources, (weights, text))
    policy = assemble(
        sections, digest_of(sources), sources, attached=lambda name: text, proving=proving, progress=progress
    )
    if policy is not None and proving:
        run_tests(policy, problems)
    shown = tuple(_without_keys(document, problems) for document in documents)
    return LoadResult(None if problems.errors else policy, problems, shown)


def _beside(file: Path) -> str | None:
    """The text of a file beside the policy; None where it cannot be read, or is no such file."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_FILE + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _without_keys(document: Document, problems: Problems) -> Document:
    """A document whose text can be shown: what was refused as a key, and whatever looks like one, is starred out.

    The stars keep the columns, so that carets still point where they should.
    """
    places = {
        problem.location
        for problem in problems.found
        if problem.code == "catalogue.literal-key" and problem.location.file == document.file
    }
    written = document.text.splitlines(keepends=True)
    lines = _LIKE_A_KEY.sub(_stars, document.text).splitlines(keepends=True)
    for scalar in scalars_of(document.root) if places else ():
        if scalar.location in places:
            row, start = scalar.location.line - 1, scalar.location.column - 1
            # A text over several lines, or one with escapes, does not stand in its line as it reads: hide all the rest.
            found = written[row].find(scalar.text, start)
            end = len(written[row].rstrip()) if found < 0 else found + len(scalar.text)
            lines[row] = lines[row][:start] + "*" * (end - start) + lines[row][end:]
    return replace(document, text="".join(lines))


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])
