"""The page about clients, `docs/clients.md`: written from what the tests here are made of, and compared by one of them.

python -m tests.sdk.page
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.sdk.house import CROSSED
from tests.sdk.processes import ROOT, SDKS
from tests.sdk.test_a_surface import COUNTERS
from tests.sdk.test_b_content import ADVISORY, VERDICTS

PAGE = ROOT / "docs" / "clients.md"

_PACKAGES = {
    "openai": ("openai", "openai", "`http://HOST/v1`", "Chat Completions, Responses"),
    "anthropic": ("anthropic", "@anthropic-ai/sdk", "`http://HOST`", "Messages"),
    "google": ("google-genai", "@google/genai", "`http://HOST`", "generateContent"),
}
"""The vendors' packages for Python and JavaScript, what they are given as base URL, and what they speak."""

_HEAD = """\
# Clients: which SDKs are tested, and what they can do

<!-- Written by `python -m tests.sdk.page` from the tests in tests/sdk; changes by hand are lost. -->

The official SDKs work by changing their base URL, whatever the upstream speaks that a policy chooses for them.
`make test` runs them against the proxy in these versions, each in an environment of its own, and each API that one of them speaks
with upstreams of `openai` (Chat Completions), `openai-responses`, `anthropic` and `gemini`.
Where a machine has no Node.js, those for JavaScript are left out.
"""

_KEYS = """\
A key goes where the SDK puts it: as a bearer, in `x-api-key`, in `x-goog-api-key` or in `?key=`.
"""

_CHECKS = """\
## What is tested

Each check is a test of this name in `tests/sdk/`, for every client and every upstream that it concerns;
the upstream is a simulated one, as strict as its vendor is where that is known, or one that a test scripts byte by byte.

| check | | what it shows |
|---|---|---|
"""

_CARRIED = """\
## What an upstream is told

All of this passes every check with every upstream, whole, streamed, and by the SDKs' own helpers: text, system prompts, pictures,
tools with several calls at once, JSON after a schema, thoughts with their signatures, usage, errors.
What differs is below. A wish that cannot be carried and changes the answer is refused with 400 before anybody is called;
one that the answer is right without is left out, and `x-routebook-losses` says so. Between an SDK and its own API, everything passes.
[protocols.md](protocols.md) has every field.

"""

_PECULIAR = """\
## What is peculiar to an SDK

- OpenAI's helper for JavaScript (`chat.completions.stream`) keeps of a field that it does not know the last piece alone:
  thoughts in `reasoning_content` are whole in its events and in answers that are not streamed.
- Anthropic's current SDKs speak version `2026-10-21` of the API, which knows no `temperature`, older ones `2023-06-01`.
  What a client says goes to an upstream of Anthropic's as it is, the version included;
  to a provider of which the policy names another version, it is written in that one.
- Google's SDKs show no fields that they do not know, and the one for JavaScript no headers of errors:
  the code and when to ask again stand in the error's `details`.
- OpenAI's and Anthropic's SDKs try again only where the proxy says that it helps. Google's do not ask,
  and try as often as they are made to.
- Google's SDKs count the tokens of contents alone; with system prompt and tools they are counted by a request to `:countTokens`.
"""

_WORDS = {
    "stop": "stop sequences",
    "choices": "several answers at once (`n`, `candidateCount`)",
    "logprobs": "probabilities of tokens",
    "seed": "the seed of the draw",
}


def page() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        "\n".join(_versions()),
        _KEYS,
        _CHECKS + "\n".join(_checks()) + "\n",
        _CARRIED + "\n".join(_carried()),
    ]
    return "\n".join([*(part.rstrip("\n") + "\n" for part in parts), _PECULIAR])


def _versions() -> Iterator[str]:
    locked = json.loads(Path(__file__).with_name("js").joinpath("package-lock.json").read_text())["packages"]
    yield "| vendor's package | versions | base URL | speaks |"
    yield "|---|---|---|---|"
    for vendor, (python, javascript, base, speaks) in _PACKAGES.items():
        majors = [sdk.version for name, sdk in SDKS.items() if name.startswith(vendor) and not sdk.is_javascript]
        yield f"| `{python}` (Python) | {', '.join(f'{major}x' for major in majors)} | {base} | {speaks} |"
        version = locked[f"node_modules/{javascript}"]["version"]
        yield f"| `{javascript}` (JavaScript) | {version} | {base} | {speaks} |"


def _checks() -> Iterator[str]:
    for path in sorted(Path(__file__).parent.glob("test_[a-c]_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef) and (found := re.match(r"test_((?:[abc]\d+_)+)", node.name)):
                number = ", ".join(found[1].strip("_").upper().split("_"))
                what = node.name.removeprefix(found[0]).replace("_", " ")
                said = " ".join((ast.get_docstring(node) or "").split())
                yield f"| {number} | {what} | {said} |"


def _carried() -> Iterator[str]:
    yield f"| wish | {' | '.join(f'to `{word}`' for word in CROSSED)} |"
    yield "|---" * (len(CROSSED) + 1) + "|"
    for wish, verdict in VERDICTS.items():
        lost = "left out" if wish in ADVISORY else "refused"
        yield f"| {_WORDS[wish]} | {' | '.join('yes' if verdict[word] else lost for word in CROSSED)} |"
    budgets = ("yes" if word in ("anthropic", "gemini") else "left out" for word in CROSSED)
    yield f"| how many tokens may be thought | {' | '.join(budgets)} |"
    json_alone = ("refused, or asked for in words" if word == "anthropic" else "yes" for word in CROSSED)
    yield f"| JSON without a schema | {' | '.join(json_alone)} |"
    counts = ("by the upstream" if word in COUNTERS else "an estimate" for word in CROSSED)
    yield f"| counting tokens | {' | '.join(counts)} |"
    yield f"| embeddings | {' | '.join('from its own SDK' if word in ('openai', 'gemini') else '–' for word in CROSSED)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
