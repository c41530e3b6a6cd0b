"""`routebook facts`: what rules may ask about."""

from __future__ import annotations

import argparse
import json
import sys

HELP = """List the facts that rules may ask about: their names, types and units, how they are asked, and what it costs to
know them. A name with NAME in it stands for many (`client.label.NAME`)."""

FORMATS = ("text", "json", "markdown")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `facts`."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="for people, for programs, or as the page docs/facts.md (default: text)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table of facts."""
    from routebook.policy.fact_pages import facts_as_markdown, facts_as_text, facts_as_values
    from routebook.routing.facts import FACTS

    match args.format:
        case "json":
            shown = json.dumps(facts_as_values(FACTS), indent=2) + "\n"
        case "markdown":
            shown = facts_as_markdown(FACTS)
        case _:
            shown = facts_as_text(FACTS)
    sys.stdout.write(shown)
    return 0
