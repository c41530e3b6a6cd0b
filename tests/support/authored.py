"""What an author wrote, as readers get it: sections from text, and problems as short lines to compare."""

from __future__ import annotations

from routebook.documents.loading import load_text
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Problem, Problems, Severity


def entries(text: str) -> list[tuple[Scalar, Node]]:
    """The entries of a mapping written as YAML."""
    root = node(text)
    assert isinstance(root, Mapping)
    return list(root)


def node(text: str) -> Node:
    """One value written as YAML, which must be sound."""
    problems = Problems()
    document = load_text("policy.yaml", text, problems)
    assert not problems.found and document.root is not None, problems.found
    return document.root


def codes(problems: Problems) -> list[str]:
    """The codes found, in the order of their places; that of a warning says so."""
    return [f"{_mark(problem)}{problem.code}" for problem in problems]


def lines(problems: Problems) -> list[str]:
    """Each problem as `line:column code message`, in the order of their places; a warning says so."""
    return [
        f"{problem.location.line}:{problem.location.column} {_mark(problem)}{problem.code} {problem.message}"
        for problem in problems
    ]


def _mark(problem: Problem) -> str:
    return "warning " if problem.severity is Severity.WARNING else ""


def hints(problems: Problems) -> list[str | None]:
    """Each problem's hint, in the order of their places."""
    return [problem.hint for problem in problems]
