"""What the site needs beyond the Markdown of the pages, as a hook of mkdocs.

Pages link to files of the repository that are no pages (`../rules/policy.yaml`): on the site their names stand alone.
A block of code that has a title gets it as a line above it.
"""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
_TITLED = re.compile(r'^```(\w+) title="([^"]*)"$', re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page as mkdocs can show it."""
    return _TITLED.sub(r"*\2*\n\n```\1", _OUTSIDE.sub(r"`\1`", markdown))
