"""A simulated upstream: speaks OpenAI Chat at a realistic pace, needs no key, and fails on demand.

It serves every model that it is asked for. See `edge.simulator.faults` for what can go wrong, and how to ask for it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from routebook.edge.simulator.answers import CREATED, embeddings, events, plan, whole
from routebook.edge.simulator.faults import Fault, UnknownFault, fault_of
from routebook.edge.simulator.requests import BadRequest, check_chat, check_embeddings

PACE = 0.02
"""Seconds between two tokens: fifty a second, as hosted models of middle size have it."""

FIRST_TOKEN = 10
"""The first token takes as long as this many others."""

MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator. `address` is the base URL for a provider, ending in `/v1`."""

    address: str
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop, and cut what is being answered."""
        await self._runner.cleanup()


async def start_simulator(sock: socket.socket, pace: float = PACE, seed: int = 0) -> Simulator:
    """Serve on a bound socket from the running loop; `pace` in seconds a token, `seed` decides chances."""
    runner = web.AppRunner(
        _application(_Behaviour(pace, random.Random(seed), seed)),
        handle_signals=False,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    await web.SockSite(runner, sock, backlog=1024).start()
    host, port = sock.getsockname()[:2]
    return Simulator(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1", runner)


@dataclass(frozen=True, slots=True)
class _Behaviour:
    pace: float
    dice: random.Random
    seed: int


def _application(behaviour: _Behaviour) -> web.Application:
    application = web.Application(client_max_size=MAX_BODY)
    chat, embedding = _handler(_answer_chat, behaviour), _handler(_answer_embeddings, behaviour)
    for prefix in ("/v1", ""):
        application.router.add_post(f"{prefix}/chat/completions", chat)
        application.router.add_post(f"{prefix}/embeddings", embedding)
        application.router.add_get(f"{prefix}/models", _list_models)
        application.router.add_get(f"{prefix}/models/{{model:.+}}", _show_model)
    return application


_Answer = Callable[[web.Request, dict[str, Any], Fault, _Behaviour], Awaitable[web.StreamResponse]]


def _handler(answer: _Answer, behaviour: _Behaviour) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What every call has in common: the body is read, faults that need no answer are committed."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            body = await _read(request)
            fault = _fault(request, body)
            if fault.chance < 1 and behaviour.dice.random() >= fault.chance:
                fault = Fault()
            await asyncio.sleep(fault.slow)
            if fault.hang:
                await asyncio.Event().wait()
            if fault.status is not None:
                return _refusal(fault)
            return await answer(request, body, fault, behaviour)
        except BadRequest as error:
            return _error(error.status, str(error), "invalid_request_error", error.code, error.param)

    return handle


async def _read(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _fault(request: web.Request, body: dict[str, Any]) -> Fault:
    model, metadata = body.get("model"), body.get("metadata")
    try:
        return fault_of(
            model if isinstance(model, str) else "",
            request.headers.get("x-simulate"),
            metadata if isinstance(metadata, dict) else {},
        )
    except UnknownFault as error:
        raise BadRequest(str(error), code="unknown_fault") from error


async def _answer_chat(
    request: web.Request, body: dict[str, Any], fault: Fault, behaviour: _Behaviour
) -> web.StreamResponse:
    check_chat(body)
    answer = plan(body, fault.tokens, behaviour.seed)
    pace = behaviour.pace if fault.pace is None else fault.pace
    if not body.get("stream"):
        await asyncio.sleep(pace * (FIRST_TOKEN + sum(map(len, answer.texts))))
        return await _send_whole(request, b"<html>not JSON" if fault.garbage else _json(whole(answer)), fault)
    await asyncio.sleep(pace * FIRST_TOKEN)
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    frames = [b"data: " + _json(event) + b"\n\n" for event in events(answer, with_usage)] + [b"data: [DONE]\n\n"]
    return await _send_events(request, [b"data: {not JSON\n\n"] if fault.garbage else frames, fault, pace)


async def _answer_embeddings(
    request: web.Request, body: dict[str, Any], fault: Fault, behaviour: _Behaviour
) -> web.StreamResponse:
    answer = embeddings(body, check_embeddings(body))
    await asyncio.sleep(behaviour.pace)
    return await _send_whole(request, b"<html>not JSON" if fault.garbage else _json(answer), fault)


async def _send_whole(request: web.Request, data: bytes, fault: Fault) -> web.StreamResponse:
    if fault.cut is None:
        return web.Response(body=data, content_type="application/json", headers=_HEADERS)
    response = web.StreamResponse(
        headers={**_HEADERS, "Content-Type": "application/json", "Content-Length": str(len(data))}
    )
    await response.prepare(request)
    await response.write(data[: fault.cut])
    return await _drop(request, response)


async def _send_events(request: web.Request, frames: list[bytes], fault: Fault, pace: float) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={**_HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    left = fault.cut
    for number, frame in enumerate(frames):
        if number == fault.stall:
            await asyncio.Event().wait()
        if number == fault.error_event:
            message = "the simulated model had a simulated problem"
            await response.write(b"data: " + _json(_error_body(message, "server_error", "simulated")) + b"\n\n")
            break
        await response.write(frame if left is None else frame[:left])
        if left is not None and (left := left - len(frame)) <= 0:
            return await _drop(request, response)
        if number < len(frames) - 1:
            await asyncio.sleep(pace)
    await response.write_eof()
    return response


async def _drop(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection in the middle of a body, once what was written has left."""
    await asyncio.sleep(0.01)
    if request.transport is not None:
        request.transport.abort()
    return response


async def _list_models(request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [_model("simulated-large"), _model("simulated-small")]})


async def _show_model(request: web.Request) -> web.Response:
    return web.json_response(_model(request.match_info["model"]))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


_HEADERS = {"x-request-id": "req_simulated", "openai-processing-ms": "1"}

_KINDS = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}


def _refusal(fault: Fault) -> web.Response:
    """The answer that a fault with a status asks for."""
    status = fault.status or 500
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "rate_limit_exceeded" if status == 429 else "simulated"
    response = _error(status, f"a simulated failure with status {status}", kind, code)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


def _error(status: int, message: str, kind: str, code: str | None = None, param: str | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=_json(_error_body(message, kind, code, param)),
        headers=_HEADERS,
        content_type="application/json",
    )


def _error_body(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
