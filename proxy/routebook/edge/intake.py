"""The request's body: read whole under a limit of size and of time, kept as it came."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from routebook.chat.asked import Asked
from routebook.edge.answers import Failure
from routebook.protocols.openai_chat.request import OpenAIChat
from routebook.protocols.openai_responses.request import OpenAIResponses
from routebook.routing.constraints import WITHIN_HEADER, asked_within
from routebook.routing.controls import CONTROLS_FIELD, are_wanted, controlled
from routebook.routing.outcomes import Within
from routebook.routing.policy import Settings

_CONTROLLED: Final = (OpenAIChat, OpenAIResponses)
"""Requests that may hold a word of their own on how they are routed."""


def is_plainly_framed(request: web.BaseRequest, coding: str) -> bool:
    """Whether every server reads the same body under this `Transfer-Encoding`: chunks and nothing else, in HTTP/1.1 (RFC
    9112, 6.1). Parsers differ about what is chunked twice, or packed besides, and about chunks of an older client."""
    return coding.strip().lower() == "chunked" and request.version >= HttpVersion11


async def read_body(request: web.BaseRequest, settings: Settings) -> bytes:
    """All bytes of the body; raises Failure where it is encoded, too large or too slow.

    Encoded bodies are refused: a few kilobytes of gzip can be gigabytes, and nobody sends prompts that way.
    """
    headers = request.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise Failure("request.encoded", "a body with `Content-Encoding` is not accepted")
    declared = request.content_length
    if declared is not None and declared > settings.max_body:
        raise _too_large(settings)
    content = request.content
    if content.is_eof():
        return _gathered(content, settings)
    if "Expect" in headers:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(settings.body_timeout):
            return await _gather(content, settings)
    except TimeoutError:
        raise Failure("request.slow", f"the body did not arrive within {settings.body_timeout:g} s") from None


def wanted_within(request: web.BaseRequest, asked: Asked) -> Within:
    """The constraints that the client puts on its own request; raises Failure where they cannot be understood."""
    controls = asked.routing if isinstance(asked, _CONTROLLED) else None
    if controls is not None and not are_wanted(request.headers):
        controls = None
    try:
        within = asked_within(request.headers, asked)
    except ValueError as error:
        raise Failure("request.constraints", str(error), param=WITHIN_HEADER) from None
    if controls is None:
        return within
    try:
        return controlled(within, controls)
    except ValueError as error:
        raise Failure("request.constraints", str(error), param=CONTROLS_FIELD) from None


def _gathered(content: StreamReader, settings: Settings) -> bytes:
    """A body that has arrived with its head, as most do."""
    try:
        body = content.read_nowait()
    except (web.RequestPayloadError, HttpProcessingError):
        raise _malformed() from None
    if len(body) > settings.max_body:
        raise _too_large(settings)
    return body


async def _gather(content: StreamReader, settings: Settings) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while part := await content.readany():
            parts.append(part)
            size += len(part)
            if size > settings.max_body:
                raise _too_large(settings)
    except (web.RequestPayloadError, HttpProcessingError):
        raise _malformed() from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _malformed() -> Failure:
    return Failure("request.malformed", "the body is not framed as HTTP/1.1 has it")


def _too_large(settings: Settings) -> Failure:
    return Failure("request.too-large", f"the body is larger than the {settings.max_body} bytes that are accepted")
