"""`routebook new`: a policy to begin with, by a few questions, by flags, or from an example."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.documents.places import SUFFIXES

if TYPE_CHECKING:
    from routebook.routing.drafting import Entry, Value
    from routebook.routing.starting import Answers

HELP = """Write a policy to begin with, and tests of what it decides.

    routebook new                                       asks a few questions, where there is a terminal to ask
    routebook new --provider openai=gpt-5.6,gpt-5.6-mini --budget '$100' rules
    routebook new --provider ollama=llama3.3:70b@http://127.0.0.1:11434 --provider openai=gpt-5.6 --guarantee phi=ollama
    routebook new --list                                what examples there are
    routebook new --example teams-with-budgets rules    a copy of one

The schemas stand beside the policy, and the first line of each file names its own, so that editors complete and explain.
Nothing is overwritten: where one of the files is there already, nothing is written and the exit code is 2."""

YAML = SUFFIXES[0]
SCHEMAS = {"policy": "policy.schema.json", "test": "policy-test.schema.json"}
"""The schemas that are written beside a policy, by their names for `routebook schema`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `new`."""
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path("rules"), metavar="DIR", help="where (default: rules)"
    )
    parser.add_argument(
        "--provider",
        action="append",
        default=[],
        metavar="VENDOR=MODEL,...[@URL]",
        help="a vendor to call, and its models; may be repeated, in the order of preference",
    )
    parser.add_argument(
        "--budget", metavar="LIMIT", help="what may be spent in a month: `$100`, `20M tokens`, `1000 requests`"
    )
    parser.add_argument(
        "--guarantee", metavar="TAG=VENDOR", help="what is tagged so is seen by this vendor alone, on every hop"
    )
    parser.add_argument("--client", action="append", default=[], metavar="NAME", help="who may call; may be repeated")
    parser.add_argument("--example", metavar="NAME", help="copy an example instead")
    parser.add_argument("--list", action="store_true", help="list the examples")


def run(args: argparse.Namespace) -> int:
    """Write a policy; 2 where the command line is wrong or something is there already."""
    if args.list:
        for name, doc in examples().items():
            print(f"{name:<26}{doc}")
        return 0
    try:
        files = _example(args.example) if args.example is not None else _made(args)
    except ValueError as error:
        print(f"routebook new: {error}", file=sys.stderr)
        return 2
    except EOFError:
        print("\nroutebook new: no answer, so nothing was written", file=sys.stderr)
        return 2
    there = [args.directory / name for name in files if (args.directory / name).exists()]
    if there:
        named = ", ".join(f"`{path}`" for path in there)
        print(f"routebook new: {named} is there already, and nothing is overwritten", file=sys.stderr)
        return 2
    for name, text in files.items():
        path = args.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return _tell(args.directory, files)


def examples() -> dict[str, str]:
    """Every example with one line about it: the first of its policy."""
    return {each.name: _policy_of(each).splitlines()[0].removeprefix("# ") for each in _folders()}


def _folders() -> Iterator[Traversable]:
    found = resources.files("routebook.examples").iterdir()
    yield from sorted((each for each in found if (each / f"policy{YAML}").is_file()), key=lambda each: each.name)


def _policy_of(folder: Traversable) -> str:
    return (folder / f"policy{YAML}").read_text("utf-8")


def _example(name: str) -> dict[str, str]:
    from routebook.documents.names import suggestion

    folder = next((each for each in _folders() if each.name == name), None)
    if folder is None:
        raise ValueError(f"there is no example `{name}`; {suggestion(name, examples())}")
    return _with_schemas(
        {"policy": _policy_of(folder), "tests/cases": (folder / "tests" / f"cases{YAML}").read_text("utf-8")}
    )


def _made(args: argparse.Namespace) -> dict[str, str]:
    """The files that flags or answers ask for. Raises ValueError for an answer that cannot be read."""
    from routebook.routing.starting import starter, unpriced

    known = known_models()
    answers = _asked(args) if not args.provider and sys.stdin.isatty() else _of_flags(args)
    files = starter(answers, known)
    lacking = unpriced(answers, known)
    if lacking:
        print(
            "A budget in money pays for models whose price is known: write `price` for "
            + ", ".join(f"`{name}`" for name in lacking)
            + " before you serve.",
            file=sys.stderr,
        )
    return _with_schemas(files)


def _of_flags(args: argparse.Namespace) -> Answers:
    from routebook.routing.starting import Answers, parse_upstream

    if not args.provider:
        raise ValueError("name at least one `--provider VENDOR=MODEL`, or an `--example`")
    return Answers(
        tuple(parse_upstream(text) for text in args.provider),
        _budget(args.budget),
        None if args.guarantee is None else _guarantee(args.guarantee),
        tuple(args.client),
    )


def _asked(args: argparse.Namespace, ask: Callable[[str], str] = input) -> Answers:
    """The answers of whoever sits at the terminal; an empty one takes what stands in brackets, or nothing."""
    from routebook.routing.starting import Answers, parse_upstream

    print("A few questions; an empty answer takes what stands in brackets.\n")
    upstreams = []
    more = ask("Which vendor and models? [openai=gpt-5.6-mini,gpt-5.6] ").strip() or "openai=gpt-5.6-mini,gpt-5.6"
    while more:
        try:
            upstreams.append(parse_upstream(more))
        except ValueError as error:
            print(f"  {error}")
        more = ask("Another one, to fall back on? [no] ").strip()
    budget = args.budget or ask("What may all of it use in a month ($100, 20M tokens)? [no limit] ").strip()
    said = args.guarantee or ask("Which tag must stay with which vendor, always (phi=ollama)? [none] ").strip()
    clients = args.client or ask("Who may call (names; empty: whoever is on this machine)? ").replace(",", " ").split()
    return Answers(tuple(upstreams), _budget(budget), _guarantee(said) if said else None, tuple(clients))


def _budget(text: str | None) -> str | None:
    from routebook.ledger.reading import parse_amount

    if not text:
        return None
    if parse_amount(text) is None:
        raise ValueError(f"`{text}` is no budget; write `$100`, `20M tokens` or `1000 requests`")
    return text


def _guarantee(text: str) -> tuple[str, str]:
    tag, equals, name = text.partition("=")
    if not (tag.strip() and equals and name.strip()):
        raise ValueError(f"`{text}` is no guarantee; write `TAG=VENDOR`")
    return tag.strip(), name.strip()


def known_models() -> dict[str, Entry]:
    """What the policy that ships says of its models: prices, context, abilities, by their names."""
    from routebook.documents.loading import load_text
    from routebook.documents.nodes import Mapping
    from routebook.documents.problems import Problems

    text = (resources.files("routebook.starter") / f"catalogue{YAML}").read_text("utf-8")
    root = load_text("catalogue", text, Problems()).root
    models = root.get("models") if isinstance(root, Mapping) else None
    found = {} if models is None else _value(models)
    return {str(name): dict(entry) for name, entry in found.items()} if isinstance(found, dict) else {}


def _value(node: object) -> Value:
    from decimal import Decimal, InvalidOperation

    from routebook.documents.nodes import Mapping, Scalar, Sequence

    match node:
        case Mapping(entries):
            return {key.text: _value(inner) for key, inner in entries}
        case Sequence(items):
            return [_value(item) for item in items]
        case Scalar(text, _, quoted):
            try:
                return text if quoted else Decimal(text)
            except InvalidOperation:
                return text
        case _:
            raise TypeError(node)


def _with_schemas(files: dict[str, str]) -> dict[str, str]:
    """The files with a line for editors each, and the schemas that these name."""
    from routebook.cli.schema import as_file, build

    schemas = {"policy": SCHEMAS["policy"], "tests/cases": f"../{SCHEMAS['test']}"}
    marked = {
        f"{name}{YAML}": f"# yaml-language-server: $schema={schemas[name]}\n{text}" for name, text in files.items()
    }
    return marked | {file: as_file(build(which)) for which, file in SCHEMAS.items()}


def _tell(directory: Path, files: dict[str, str]) -> int:
    """Say what was written, check it, and say what to do next."""
    from routebook.catalogue.providers import EnvironmentKey
    from routebook.cli.check import summary, wants_colour
    from routebook.cli.problem_formats.forms import written
    from routebook.routing.reading.loading import load_policy

    for name in files:
        print(f"{directory / name}: written")
    result = load_policy(directory)
    sys.stdout.write(written("text", result.problems, result.documents, colour=wants_colour(sys.stdout)))
    print(f"{directory}: {summary(result)}\n")
    if result.policy is None:
        return 1
    accounts = [account for each in result.policy.catalogue.providers.values() for account in each.accounts]
    variables = dict.fromkeys(each.key.name for each in accounts if isinstance(each.key, EnvironmentKey))
    for variable in variables:
        print(f"  export {variable}=...")
    for client in result.policy.clients:
        print(f"  routebook keys create {client}")
    print(f"  routebook serve --policy {directory}")
    return 0
