"""Where an answer's text got something from: Gemini's ways of saying so, and the neutral one.

Gemini counts bytes of UTF-8, in the whole text or in one part of it; `UrlCitation` counts characters of its part.
"""

from __future__ import annotations

from collections.abc import Iterator

from routebook.chat.parts import UrlCitation
from routebook.protocols.gemini.wire import WireCitation, WireGrounding


class Texts:
    """The texts of one answer as they grow, by block, so that places in them can be found."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}

    def __repr__(self) -> str:
        return f"<Texts {len(self._pieces)} blocks>"

    def add(self, block: int, piece: str) -> None:
        """Some more text of a block."""
        self._pieces.setdefault(block, []).append(piece)

    def blocks(self) -> list[int]:
        """The blocks that have text, in order."""
        return list(self._pieces)

    def place(self, byte: int, block: int | None = None) -> tuple[int, int] | None:
        """The block and the character at a byte of the whole text, or of one block; None where there is no text."""
        found = None
        for each in self._pieces if block is None else (block,):
            written = "".join(self._pieces.get(each, ())).encode("utf-8", "replace")
            found = each, len(written[: max(0, byte)].decode("utf-8", "ignore"))
            if byte <= len(written):
                break
            byte -= len(written)
        return found

    def byte(self, block: int, character: int) -> int:
        """The byte of the whole text at a character of a block."""
        before = 0
        for each, pieces in self._pieces.items():
            text = "".join(pieces)
            if each == block:
                return before + len(text[:character].encode("utf-8", "replace"))
            before += len(text.encode("utf-8", "replace"))
        return before


def read_citation(citation: WireCitation, texts: Texts) -> tuple[int, UrlCitation] | None:
    """One source with the block that it stands at; None where it is none in the web."""
    end = None if citation.end_index is None else texts.place(citation.end_index)
    start = texts.place(citation.start_index or 0)
    if not citation.uri or start is None:
        return None
    return start[0], UrlCitation(
        citation.uri,
        citation.title,
        0 if citation.start_index is None and end is not None else None if citation.start_index is None else start[1],
        None if end is None else end[1] if end[0] == start[0] else None,
    )


def read_grounding(grounding: WireGrounding, texts: Texts) -> Iterator[tuple[int, UrlCitation]]:
    """The pages that a text stands on, each with its block."""
    grounds = grounding.grounding_chunks or []
    blocks = texts.blocks()
    for support in grounding.grounding_supports or ():
        segment = support.segment
        if segment is None or not blocks:
            continue
        number = segment.part_index or 0
        block = blocks[number] if 0 <= number < len(blocks) else blocks[-1]
        start = texts.place(segment.start_index or 0, block)
        end = None if segment.end_index is None else texts.place(segment.end_index, block)
        for index in support.grounding_chunk_indices or ():
            page = grounds[index].web if 0 <= index < len(grounds) else None
            if page is not None and page.uri:
                first, last = start and start[1], end and end[1]
                yield block, UrlCitation(page.uri, page.title, first, last, segment.text)
