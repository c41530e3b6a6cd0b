"""Pages out of templates: every text is escaped, what hides or steers in it is written out, nothing inline may run.

What a browser is told with each page stands in `GUARD`: the page's own style and script and nothing else, no frame around
it, no form that leads elsewhere, no copy in a cache (CSP Level 3, Fetch Metadata, RFC 9111).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from routebook.documents.visible import readable, visible
from routebook.edge.admin.route import Asked, Html, Reply
from routebook.edge.admin.service import Service
from routebook.edge.console import words

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER: Final = Path(__file__).parent

GUARD: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Headers of every page."""

_TICKED: Final = re.compile("`([^`]+)`")

PLACES: Final = (
    ("/console", "Overview"),
    ("/console/decisions", "Decisions"),
    ("/console/policy", "Policy"),
    ("/console/what-if", "What if"),
    ("/console/budgets", "Budgets"),
    ("/console/models", "Models"),
    ("/console/talk", "Talk"),
    ("/console/savings", "Savings"),
    ("/console/history", "History"),
)
"""What the navigation leads to."""


async def page(
    service: Service,
    asked: Asked,
    template: str,
    found: Callable[[], Mapping[str, Any]],
    headers: Mapping[str, str] = {},
) -> Reply:
    """A page of what `found` works out, with these headers in place of those that all have; made on a thread, so that the
    service goes on meanwhile."""
    about = service.describe()
    frame = {
        "about": about,
        "ready": service.is_ready,
        "asked": asked,
        "now": time.time(),
        "live": "live=1" in asked.search.split("&"),
    }
    made = await asyncio.to_thread(lambda: rendered(template, {**frame, **found()}))
    return Reply(Html(made), headers={**GUARD, **headers})


def rendered(template: str, values: Mapping[str, Any]) -> bytes:
    """A template filled in."""
    return environment().get_template(f"{template}.html").render(values).encode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, with what they may call. Made when the first page is asked for: most services never show one."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters.update(words.FILTERS)
    made.filters["raw_text"] = _raw_text
    made.filters["said"] = _said
    made.filters["source_line"] = lambda text: readable(text, keep_tabs=True)
    made.globals.update(
        places=PLACES, outcome=words.outcome, state=words.state, asset=asset, link=link, with_query=with_query
    )
    return made


def _shown(value: Any) -> Any:
    """A value as it stands in a page: a text with everything written out that steers or hides."""
    from markupsafe import Markup

    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _said(text: str) -> Any:
    """A sentence of ours, with what stands in backticks as code."""
    from markupsafe import Markup, escape

    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(visible(text)))))


def _raw_text(text: str) -> Any:
    """A text with its line breaks, for a field that somebody goes on writing in."""
    from markupsafe import Markup, escape

    return Markup("\n").join(escape(readable(line, keep_tabs=True)) for line in text.split("\n"))


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """The address of a file that pages load; another one with every version of it, so that it may be kept for good."""
    return f"/console/{name}?v={hashlib.sha256(content_of(name)).hexdigest()[:12]}"


@lru_cache(maxsize=8)
def content_of(name: str) -> bytes:
    """A file that pages load. The style holds that of drawings, which stand in pages without one of their own."""
    content = (FOLDER / "static" / name).read_bytes()
    if name == "console.css":
        from routebook.routing.drawings.svg import STYLE

        content += b"\n" + STYLE.encode()
    return content


def link(path: str, *parts: str, **query: Any) -> str:
    """An address of the console: a path, further parts of it, and what is asked; None and empty texts ask nothing."""
    from urllib.parse import quote, urlencode

    whole = "/".join([path, *(quote(part, safe="", errors="replace") for part in parts)])
    pairs = [(name, value) for name, value in query.items() if value not in (None, "", False)]
    asked = urlencode([(name, "true" if value is True else value) for name, value in pairs], errors="replace")
    return f"{whole}?{asked}" if asked else whole


def with_query(asked: Asked, **changes: Any) -> str:
    """This page's address with something else asked; None takes a part out."""
    from urllib.parse import parse_qsl

    query: dict[str, Any] = dict(parse_qsl(asked.search, keep_blank_values=True))
    return link(asked.path, **{**query, **changes})
