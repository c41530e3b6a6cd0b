"""The rules of the house that a machine can check, beside the import contracts of `.importlinter`."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "proxy" / "routebook"
MODULES = sorted(PACKAGE.rglob("*.py"))
BELOW_THE_EDGE = ("documents", "policy", "chat", "catalogue", "protocols", "ledger", "health", "routing")

MOST_LINES_OF_A_MODULE = 500
MOST_LINES_OF_A_FUNCTION = 50
MEDIAN_LINES_OF_A_MODULE = 250
NO_SUBJECTS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "core", "types", "shared"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text("utf-8"))


def named(path: Path) -> str:
    """A module's path below the package, as the name of a test case."""
    return str(path.relative_to(PACKAGE))


def room_of(path: Path) -> str:
    """The room that a module stands in; empty for the package's own."""
    return path.relative_to(PACKAGE).parts[0] if len(path.relative_to(PACKAGE).parts) > 1 else ""


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a module."""
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines of a function without its docstring and decorators."""
    doc = ast.get_docstring(function, clean=False)
    return (function.end_lineno or function.lineno) - function.lineno + 1 - (doc.count("\n") + 1 if doc else 0)


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """What a module or class offers: everything whose name has no underscore, methods of its classes included."""
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not _is_protocol_of_a_library(node):
                yield from public(node.body)


def _is_protocol_of_a_library(node: ast.ClassDef) -> bool:
    """Classes whose methods are prescribed, and documented, elsewhere: argparse actions, asyncio protocols."""
    bases = {ast.unparse(base) for base in node.bases}
    return bool(bases & {"asyncio.Protocol", "asyncio.BufferedProtocol", "argparse.Action"})


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of each import, wherever in the module it stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    """Every module begins with a docstring."""
    assert ast.get_docstring(tree_of(path)), f"{named(path)} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_public_things_are_documented(path: Path) -> None:
    """Public functions, classes and methods have a docstring."""
    bare = [f"{node.name}, line {node.lineno}" for node in public(tree_of(path).body) if not ast.get_docstring(node)]
    assert not bare, f"{named(path)}: without a docstring: {bare}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_is_too_long(path: Path) -> None:
    """A module stops at 500 lines, a function at 50."""
    lines = path.read_text("utf-8").count("\n")
    long = [
        f"{function.name}: {length(function)}"
        for function in functions(path)
        if length(function) > MOST_LINES_OF_A_FUNCTION
    ]

    assert lines <= MOST_LINES_OF_A_MODULE, f"{named(path)} has {lines} lines"
    assert not long, f"{named(path)}: functions over {MOST_LINES_OF_A_FUNCTION} lines: {long}"


def test_most_things_are_short() -> None:
    """The middle module has at most 250 lines, the middle function at most 8, nine of ten at most 30."""
    modules = sorted(path.read_text("utf-8").count("\n") for path in MODULES if path.name != "__init__.py")
    lengths = sorted(length(function) for path in MODULES for function in functions(path))

    assert modules[len(modules) // 2] <= MEDIAN_LINES_OF_A_MODULE
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 30


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_a_noun_of_the_field(path: Path) -> None:
    """No module is a drawer for whatever fits nowhere else."""
    assert not NO_SUBJECTS & {path.stem, *path.relative_to(PACKAGE).parts}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in BELOW_THE_EDGE], ids=named)
def test_nothing_waits_below_the_edge(path: Path) -> None:
    """Below the edge there is no `async` and no `await`."""
    waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found = [node.lineno for node in ast.walk(tree_of(path)) if isinstance(node, waiting)]
    assert not found, f"{named(path)} waits in lines {found}"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in BELOW_THE_EDGE], ids=named)
def test_nothing_below_the_edge_asks_the_clock(path: Path) -> None:
    """Time is an argument: nobody below the edge calls `now`, `today` or `utcnow` of a date."""
    found = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "today", "utcnow")
        and ast.unparse(node.func.value).endswith(("date", "datetime"))
    ]
    assert not found, f"{named(path)} asks the clock in lines {found}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_an_import_names_the_room_it_reaches_into(path: Path) -> None:
    """Imports are absolute, never with a star, and never by way of the source root `proxy`."""
    wrong = [
        f"line {line}: {name}" for line, name in imports(path) if name.startswith(".") or name.split(".")[0] == "proxy"
    ]
    stars = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not wrong
    assert not stars


def test_dialects_do_not_know_each_other() -> None:
    """A dialect's package imports nothing of another one's."""
    dialects = {path.name for path in (PACKAGE / "protocols").iterdir() if (path / "__init__.py").exists()}
    for dialect in dialects:
        others = {f"routebook.protocols.{other}" for other in dialects - {dialect}}
        for path in (PACKAGE / "protocols" / dialect).rglob("*.py"):
            found = [name for _, name in imports(path) if any(name.startswith(other) for other in others)]
            assert not found, f"{named(path)} imports {found}"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "cli"], ids=named)
def test_only_the_command_line_prints(path: Path) -> None:
    """What people read on a terminal is printed by `cli` alone."""
    found = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found, f"{named(path)} prints in lines {found}"


def test_every_room_is_tested() -> None:
    """Tests mirror the rooms: each has a folder of tests of its own."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert not {room for room in rooms if not list((ROOT / "tests" / room).glob("test_*.py"))}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: str(path.relative_to(ROOT / "tests"))
)
def test_a_test_says_what_it_holds(path: Path) -> None:
    """Every test has a docstring: the behaviour that it states."""
    tests = (node for node in ast.walk(tree_of(path)) if isinstance(node, Function) and node.name.startswith("test_"))
    bare = [node.name for node in tests if not ast.get_docstring(node)]
    assert not bare, f"tests without a docstring: {bare}"


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """Nothing in the repository points into somebody's home or work folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of files to look through")
    own = re.compile(r"(?<![\w./-])/(?:home/\w+|root|work|Users)/\w")
    found = []
    for name in listed.stdout.decode().split("\0")[:-1]:
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 1_000_000:
            text = path.read_bytes().decode("utf-8", "replace")
            found += [f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if own.search(line)]
    assert not found
