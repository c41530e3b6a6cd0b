"""How a model is to think: `thinking` and the effort of `output_config`, and the neutral wish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import Calling, ChatRequest, Effort, Extra, Message, ReasoningWish, Role
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import Reasoning, ToolCall
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.body import decode, json_of
from routebook.protocols.carrying import Losses

LEAST: Final = 1024
"""The smallest budget of thought that is taken."""

BUDGETS: Final = {
    Effort.MINIMAL: LEAST,
    Effort.LOW: 4096,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16_384,
    Effort.XHIGH: 32_768,
    Effort.MAX: 63_999,
}
"""Budgets that stand for efforts, for models that know no efforts, where a policy asks for that."""

_SHOWN: Final = {"summarized": "auto", "omitted": "none"}


class _Thinking(msgspec.Struct, gc=False):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


_THINKING: Final = msgspec.json.Decoder(_Thinking)


def read_thinking(raw: Raw | None, effort: Effort | None) -> tuple[ReasoningWish | None, list[Extra]]:
    """The wish that both fields make, and what of them has no neutral form; raises ProtocolError."""
    if raw is None:
        return (None if effort is None else ReasoningWish(effort)), []
    thinking = decode(_THINKING, raw, "thinking")
    summary = None if thinking.display is None else _SHOWN.get(thinking.display, thinking.display)
    match thinking.type:
        case "disabled":
            spent = [] if effort is None else [Extra(DIALECT, "output_config.effort", json_of(_raw(effort.value)))]
            return ReasoningWish(Effort.NONE), spent
        case "enabled":
            return ReasoningWish(effort, thinking.budget_tokens, summary), []
        case "adaptive":
            return ReasoningWish(effort, summary=summary), []
        case _:
            return (None if effort is None else ReasoningWish(effort)), [Extra(DIALECT, "thinking", json_of(raw))]


def written_thinking(chat: ChatRequest, most: int, losses: Losses) -> tuple[dict[str, Any] | None, str | None]:
    """`thinking`, and the effort; `most` are the tokens of the answer, of which thoughts are a part."""
    wish = chat.reasoning
    if wish is None:
        return None, None
    if wish.effort is Effort.NONE and losses.takes(Feature.EFFORT):
        _lose_summary(wish, losses)
        return {"type": "disabled"}, None
    effort, budget = _effort_and_budget(wish, most, losses)
    if budget is not None and _forgets(chat):
        losses.note(Feature.BUDGET, "reasoning.budget", "the thoughts before the last calls are not there")
        budget = None
    thinking: dict[str, Any] | None = None
    if _is_forced(chat):
        feature, path = (Feature.ADAPTIVE, "reasoning") if budget is None else (Feature.BUDGET, "reasoning.budget")
        losses.note(feature, path, "a model that is forced to call tools does not think before", Done.DROPPED)
    elif budget is not None:
        thinking = {"type": "enabled", "budget_tokens": budget}
    elif losses.takes(Feature.ADAPTIVE) and wish.effort is not Effort.NONE:
        thinking = {"type": "adaptive"}
    if thinking is None:
        _lose_summary(wish, losses)
    elif wish.summary is not None and losses.takes(Feature.SUMMARY):
        thinking["display"] = "omitted" if wish.summary == "none" else "summarized"
    return thinking, effort


def excludes_sampling(thinking: Mapping[str, Any] | None) -> bool:
    """Whether a model that thinks so takes no sampling."""
    return thinking is not None and thinking["type"] != "disabled"


def _effort_and_budget(wish: ReasoningWish, most: int, losses: Losses) -> tuple[str | None, int | None]:
    effort = budget = None
    if wish.effort is not None and wish.effort is not Effort.NONE:
        if losses.takes(Feature.EFFORT):
            effort = (Effort.LOW if wish.effort is Effort.MINIMAL else wish.effort).value
        elif losses.target.verdicts.get(Feature.EFFORT) is Done.EMULATED and losses.takes(Feature.BUDGET):
            budget = _fitting(BUDGETS[wish.effort], most)
    if wish.budget is not None and losses.takes(Feature.BUDGET):
        budget = wish.budget
        if not LEAST <= budget < most:
            why = f"a budget is {LEAST} tokens at least, and less than the most tokens of the answer"
            done = losses.note(Feature.BUDGET, "reasoning.budget", why)
            budget = _fitting(budget, most) if done is Done.EMULATED else None
    return effort, budget


def _fitting(budget: int, most: int) -> int | None:
    fitting = min(max(budget, LEAST), most - 1)
    return fitting if fitting >= LEAST else None


def _forgets(chat: ChatRequest) -> bool:
    """Whether results of tools follow calls without the signed thoughts that a budget demands before them."""
    said: list[Message] = []
    answered = False
    for message in reversed(chat.messages):
        if message.role is Role.ASSISTANT:
            said.append(message)
        elif said:
            break
        else:
            answered = answered or message.role is Role.TOOL
    parts = [part for message in reversed(said) for part in message.parts]
    return answered and any(isinstance(part, ToolCall) for part in parts) and not _is_ours(parts[0])


def _is_forced(chat: ChatRequest) -> bool:
    return bool(chat.tools) and chat.tool_choice is not None and chat.tool_choice.calling is Calling.REQUIRED


def _is_ours(part: object) -> bool:
    return isinstance(part, Reasoning) and part.signature is not None and part.signature.dialect == DIALECT


def _lose_summary(wish: ReasoningWish, losses: Losses) -> None:
    if wish.summary is not None and losses.takes(Feature.SUMMARY):
        losses.note(Feature.SUMMARY, "reasoning.summary", "there are no thoughts to show")


def _raw(word: str) -> Raw:
    return Raw(msgspec.json.encode(word))
