"""Media as dialects write them: data URLs, and base64 in either alphabet."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

from routebook.chat.parts import Inline, Url
from routebook.protocols.body import wrong

_STANDARD: Final = str.maketrans("-_", "+/", " \t\r\n=")


def standard(written: str) -> str:
    """Base64 in the standard alphabet with its padding, whichever alphabet it was written in; ValueError for others."""
    bare = written.translate(_STANDARD)
    if len(bare) % 4 == 1:
        raise ValueError("a text of this length is no base64")
    whole = bare + "=" * (-len(bare) % 4)
    try:
        binascii.a2b_base64(whole, strict_mode=True)
    except UnicodeEncodeError:
        raise ValueError("base64 has no such letters") from None
    return whole


def read_url(url: str) -> Inline | Url:
    """What a URL stands for: the media themselves where it is a `data:` URL. Raises ValueError where that is broken."""
    if url[:5].lower() != "data:":
        return Url(url)
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise ValueError("a data URL has a comma")
    media_type, *parameters = head.split(";")
    media_type = media_type.strip().lower() or "text/plain"
    if parameters and parameters[-1].strip().lower() == "base64":
        return Inline(media_type, standard(data))
    return Inline(media_type, base64.b64encode(unquote_to_bytes(data)).decode("ascii"))


def media_at(url: str, at: str) -> Inline | Url:
    """What the URL at this place of a request stands for. Raises ProtocolError where it is broken."""
    try:
        return read_url(url)
    except ValueError:
        raise wrong("the data URL cannot be read", at) from None


def base64_at(data: str, at: str) -> str:
    """The base64 at this place of a request in its standard form. Raises ProtocolError where it is none."""
    try:
        return standard(data)
    except ValueError:
        raise wrong("this is not base64", at) from None


def as_url(source: Inline) -> str:
    """The media as a data URL."""
    return f"data:{source.media_type};base64,{source.base64}"
