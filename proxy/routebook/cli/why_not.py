"""`routebook why-not`: why a model was not chosen, and what would choose it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from routebook.cli.explain import LAST, of_given, of_record

if TYPE_CHECKING:
    from routebook.policy.facts import Value
    from routebook.routing.telling.explanation import Explanation

HELP = """Say why a model was not chosen: the rule that decided, the rules that may lead to the model with the condition that
kept each of them from deciding, or why the model was passed over among the candidates. Then the smallest change of the
request's facts that would choose it, where there is one; it is decided again before it is said.

    routebook why-not 01JD3QZ8M4... gpt-5.6            of a recorded request, under the policy that served it
    routebook why-not last gpt-5.6                     of the newest one
    routebook why-not gpt-5.6 --given tags=batch       of one that was never sent, under the policy as it stands now

What a record does not hold of a request is taken to be missing. The exit code is 1 where there is no such record or
model, or the policy has mistakes."""

FORMATS = ("text", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `why-not`: those of `explain`, and the model."""
    from routebook.cli import explain

    explain.add_arguments(parser)
    form = next(action for action in parser._actions if action.dest == "format")
    form.choices, form.help = FORMATS, "for people or for programs (default: %(default)s)"
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model of the policy, by its name there")


def run(args: argparse.Namespace) -> int:
    """Say why not; 0, 1 where there is nothing to say, 2 for arguments that cannot be read."""
    identity, model = (args.id, args.model) if args.model is not None else (None, args.id)
    if model is None or (identity is None) == (not args.given):
        print(
            f"routebook why-not: name a decision's id (or `{LAST}`) and a model, or a model and facts with `--given`",
            file=sys.stderr,
        )
        return 2
    try:
        found = of_record(args.state_dir, identity) if identity is not None else of_given(args.policy, args.given)
    except ValueError as error:
        print(f"routebook why-not: {error}", file=sys.stderr)
        return 2
    except LookupError as error:
        print(f"routebook why-not: {error.args[0]}", file=sys.stderr)
        return 1
    return 1 if found is None else _say(found, model, args)


def _say(found: Explanation, model: str, args: argparse.Namespace) -> int:
    from routebook.documents.problems import did_you_mean
    from routebook.routing.telling.why_not import as_json, as_text, why_not

    if found.policy is None:
        print("routebook why-not: the policy that decided is not kept, so nothing can be said", file=sys.stderr)
        return 1
    models = found.policy.catalogue.models
    if model not in models:
        hint = did_you_mean(model, models) or "its models are " + ", ".join(f"`{name}`" for name in sorted(models)[:12])
        print(f"routebook why-not: `{model}` is no model of the policy; {hint}", file=sys.stderr)
        return 1
    answer = why_not(found.policy, found, _facts(found, args.given), model)
    if args.format == "json":
        import json

        print(json.dumps(as_json(answer), ensure_ascii=False, indent=2))
    else:
        sys.stdout.write(as_text(answer))
    return 0


def _facts(found: Explanation, given: list[str]) -> dict[str, Value]:
    """What is known of the request: what was given with what the clock showed, or what its record holds."""
    from routebook.policy.given import parse_given
    from routebook.routing.telling.why_not import facts_of_record

    if found.record is not None:
        return facts_of_record(found.record, found.seen)
    assert found.policy is not None  # facts are given under the policy as it stands
    seen = {fact: value for fact, value in found.seen.items() if value is not None}
    return {**seen, **dict(parse_given(text, found.policy.facts) for text in given)}
