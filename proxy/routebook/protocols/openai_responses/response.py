"""The answer as a whole, in which everything stands that its request said: what begins and ends a stream."""

from __future__ import annotations

from typing import Any, Final

from routebook.chat.events import Started
from routebook.chat.faults import Fault
from routebook.chat.usage import Usage
from routebook.protocols.body import is_null
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_errors import error_object
from routebook.protocols.responses_usage import write_usage

_ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
"""What of a request stands in its answer, with what stands there where the request does not say."""


class Response:
    """What is known of an answer beside its items."""

    def __init__(self, reply: ReplyTo) -> None:
        self._reply = reply
        self.id = f"resp_{reply.id}"
        self.begun = Started()
        self.usage: Usage | None = None
        self.tier: str | None = None
        given = reply.asked.fields
        self._echo = {
            name: default if name not in given or is_null(given[name]) else given[name]
            for name, default in _ECHOED.items()
        }

    def __repr__(self) -> str:
        return f"<Response {self.id}>"

    def begin(self, begun: Started) -> None:
        """What the upstream says of the answer as it begins."""
        self.begun = begun
        self.id = begun.id or self.id

    def whole(self, status: str, items: list[Any], reason: str | None = None, fault: Fault | None = None) -> Any:
        """The answer; `reason` is why it is incomplete. It is kept nowhere, whatever the request asked for."""
        reply, begun = self._reply, self.begun
        error = None if fault is None else error_object(fault.status, fault.message, code=fault.code, param=fault.param)
        return {
            "id": self.id,
            "object": "response",
            "created_at": reply.now if begun.created is None else begun.created,
            "status": status,
            "background": False,
            "error": error if error is None else {**error, "code": error["code"] or error["type"]},
            "incomplete_details": None if reason is None else {"reason": reason},
            "model": reply.model or begun.model or reply.asked.model,
            "output": items,
            **self._echo,
            "service_tier": self.tier,
            "store": False,
            "usage": None if self.usage is None else write_usage(self.usage),
        }
