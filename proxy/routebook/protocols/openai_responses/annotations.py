"""What is noted about a text: where it got something from, and how probable its tokens were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from routebook.chat.events import TokenLogprob
from routebook.chat.parts import Citation, ForeignCitation, Json, UrlCitation
from routebook.protocols.openai_responses.seals import DIALECT
from routebook.protocols.openai_responses.wire import WireLogprob


def citation_of(annotation: dict[str, Any]) -> Citation:
    """What an annotation cites."""
    url = annotation.get("url")
    if annotation.get("type") == "url_citation" and isinstance(url, str):
        title, start, end = annotation.get("title"), annotation.get("start_index"), annotation.get("end_index")
        return UrlCitation(
            url,
            title if isinstance(title, str) else None,
            start if isinstance(start, int) else None,
            end if isinstance(end, int) else None,
        )
    return ForeignCitation(DIALECT, Json(msgspec.json.encode(annotation).decode("utf-8")))


def annotation_of(citation: Citation) -> dict[str, Any] | Raw | None:
    """The annotation for a citation; None where it is of a kind that only another dialect has."""
    if isinstance(citation, UrlCitation):
        start = citation.start or 0
        place = {"start_index": start, "end_index": start if citation.end is None else citation.end}
        return {"type": "url_citation", "url": citation.url, "title": citation.title or "", **place}
    return Raw(citation.json.encode("utf-8")) if citation.dialect == DIALECT else None


def read_logprobs(tokens: Iterable[WireLogprob]) -> tuple[TokenLogprob, ...]:
    """Probabilities of tokens."""
    return tuple(
        TokenLogprob(
            each.token,
            each.logprob,
            None if each.bytes is None else tuple(each.bytes),
            tuple(
                TokenLogprob(top.token, top.logprob, None if top.bytes is None else tuple(top.bytes))
                for top in each.top_logprobs or ()
            ),
        )
        for each in tokens
    )


def write_logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """The same, as it stands in an answer, where the UTF-8 form of a token may not be missing."""
    return [{**_token(each), "top_logprobs": [_token(top) for top in each.top]} for each in tokens]


def _token(token: TokenLogprob) -> dict[str, Any]:
    data = token.token.encode("utf-8", "replace") if token.bytes is None else token.bytes
    return {"token": token.token, "bytes": list(data), "logprob": token.logprob}
