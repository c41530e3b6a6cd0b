"""`routebook schema`: JSON Schemas for editors and for programs that read records, OpenAPI for those that operate."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

HELP = """Print a JSON Schema (draft 2020-12).

  policy   a file of a policy; point your editor at it for completion and descriptions
  test     a file under the policy's tests/
  record   one line of the decision journal
  admin    the admin listener, as an OpenAPI 3.1 document

The same schemas stand in the repository under schemas/ and inside the installed package."""

FILES = {
    "policy": "policy.schema.json",
    "test": "policy-test.schema.json",
    "record": "decision-record.schema.json",
    "admin": "admin-openapi.json",
}
"""Each schema's name on the command line, and its file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `schema`."""
    parser.add_argument(
        "which", nargs="?", choices=tuple(FILES), default="policy", help="which schema (default: policy)"
    )


def run(args: argparse.Namespace) -> int:
    """Print one schema."""
    sys.stdout.write(as_file(build(args.which)))
    return 0


def build(which: str) -> dict[str, Any]:
    """One of the published schemas, made from the tables of this version of the program."""
    from routebook.routing.facts import FACTS
    from routebook.routing.reading.published import policy_schema, policy_test_schema

    match which:
        case "policy":
            return policy_schema(FACTS)
        case "test":
            return policy_test_schema(FACTS)
        case "admin":
            from routebook.edge.admin.document import openapi
            from routebook.edge.admin.routes import ROUTES

            return openapi(ROUTES)
        case _:
            from routebook.routing.published_record import record_schema

            return record_schema()


def as_file(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
