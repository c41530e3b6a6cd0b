"""One way in: a source's text and the gateway that it is of, to a policy's text and a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routebook.documents.loading import load_text
from routebook.documents.nodes import Document, Mapping
from routebook.documents.problems import Problems
from routebook.routing.drafting import Draft
from routebook.routing.importing import bifrost, litellm, portkey
from routebook.routing.importing.report import Notes, Report
from routebook.routing.importing.source import Part, account

GATEWAYS = {
    "litellm": "LiteLLM's config.yaml",
    "portkey": "a Portkey config (JSON)",
    "bifrost": "Bifrost's config.json",
}
"""The gateways whose configurations can be read."""

OPEN = (
    "The policy declares no `clients`: only callers on the gateway's own machine are served. Declare them, and make keys "
    "with `routebook keys create`, where others call."
)


@dataclass(frozen=True, slots=True)
class Imported:
    """The policy that a source means, and what became of its keys. `policy` is None where it is no configuration, or
    nothing in it could be routed to; `problems` are about the source's own YAML or JSON."""

    policy: str | None
    report: Report
    problems: Problems
    document: Document


def convert(gateway: str, file: str, text: str, models: Sequence[str] = ()) -> Imported:
    """Read a configuration of a gateway. `models` are names that clients ask for, where the source leaves them open."""
    problems, notes = Problems(), Notes()
    # JSON may be indented by tabs, which YAML does not let stand at the beginning of a line; columns stay.
    document = load_text(file, text.replace("\t", " "), problems)
    if problems.errors or not isinstance(document.root, Mapping):
        return Imported(None, notes.report(), problems, document)
    root = Part(document.root, "", document.root.location, notes)
    draft = _READERS[gateway](root, models)
    account(root)
    if draft.models and not draft.clients:
        notes.remark(OPEN)
    report = notes.report()
    if not draft.models:
        return Imported(None, report, problems, document)
    draft.heading = [f"Made by `routebook import {gateway}`; its report says what to look at.", *draft.heading]
    return Imported(draft.text(), report, problems, document)


_READERS: dict[str, Callable[[Part, Sequence[str]], Draft]] = {
    "litellm": lambda root, models: litellm.draft_of(root),
    "portkey": portkey.draft_of,
    "bifrost": bifrost.draft_of,
}
