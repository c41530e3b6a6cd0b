"""`routebook tree`: what a policy decides, as a picture."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.routing.drawings.sketch import Sketch

HELP = """Draw the decision tree of a policy: which fact is asked, the classes of answers, which rule decides.

    routebook tree                                     on the terminal
    routebook tree --format svg > tree.svg             for a browser or a page
    routebook tree --rule 'night-*'                    only the ways to some rules
    routebook tree --depth 2                           only the first two questions of each way

A small tree is drawn whole. In a large one, many answers that lead to rules at once are one table with their count,
answers after which the same is asked are one shape, and what lies deeper than there is room for is folded: the shape
says how many rules are in it. `--depth` and `--rule` unfold it."""

FORMATS = ("text", "svg", "dot", "mermaid")

NO_END = 10_000
"""Shapes at most, whatever depth was asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tree`."""
    parser.add_argument(
        "policy", nargs="?", default="rules", metavar="POLICY", help="a policy directory or file (default: rules)"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="for a terminal, a browser, Graphviz, or a page that draws Mermaid (default: text)",
    )
    parser.add_argument("--rule", metavar="PATTERN", help="draw the ways to rules whose names match this glob only")
    parser.add_argument(
        "--depth", type=_depth, metavar="N", help="questions after one another that are drawn (default: as fits)"
    )


def run(args: argparse.Namespace) -> int:
    """Draw; 0, 1 where the policy has mistakes or no such rule."""
    from routebook.cli.explain import load
    from routebook.documents.problems import did_you_mean
    from routebook.routing.drawings.policy_tree import View, draw_policy, matching

    policy = load(args.policy)
    if policy is None:
        return 1
    if not matching(policy, args.rule):
        hint = did_you_mean(args.rule, [rule.name for rule in policy.rules])
        print(
            f"routebook tree: no rule of `{args.policy}` is named `{args.rule}`" + (f"; {hint}" if hint else ""),
            file=sys.stderr,
        )
        return 1
    view = View(args.depth, args.rule) if args.depth is None else View(args.depth, args.rule, NO_END)
    print_sketch(draw_policy(policy, view), args.format)
    return 0


def print_sketch(sketch: Sketch, form: str) -> None:
    """Print a picture in one of `FORMATS`; text as wide as the terminal."""
    from routebook.routing.drawings.dot import as_dot
    from routebook.routing.drawings.mermaid import as_mermaid
    from routebook.routing.drawings.svg import as_svg

    match form:
        case "svg":
            sys.stdout.write(as_svg(sketch))
        case "dot":
            sys.stdout.write(as_dot(sketch))
        case "mermaid":
            sys.stdout.write(as_mermaid(sketch))
        case _:
            print(f"{outline(sketch)}\n{sketch.says}")


def outline(sketch: Sketch, indent: int = 0) -> str:
    """A picture as text, as wide as the terminal less an indent, in characters that the terminal has."""
    from routebook.routing.drawings.outline import PLAIN, WIDTH, as_outline

    text = as_outline(sketch, max(40, shutil.get_terminal_size((WIDTH, 0)).columns - indent))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = text.translate(PLAIN)
    return text


def _depth(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1000:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of questions, from 1 on")
    return int(text)
