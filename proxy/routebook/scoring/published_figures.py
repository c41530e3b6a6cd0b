"""Figures of others, to stand beside measured ones: what a router's authors report on the sets that are known here.

Whole test sets, GPT-4-1106 over Mixtral-8x7B, APGR and CPT on ten steps: RouteLLM (arXiv 2406.18665v4, tables 1 to 3).
Figures on other prompts, even of the same set, compare only roughly: intervals of a thousand prompts are some 0.03 wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_GPT_4 = ("gpt-4-1106", "mixtral-8x7b")
_LLAMA = ("llama-3.1-70b", "llama-3.1-8b")
_GEMINI = ("gemini-1.5-pro", "gemini-1.5-flash")
_OPENAI = ("gpt-4o", "gpt-3.5-turbo")
_CLAUDE = ("claude-3.5-sonnet", "claude-3-haiku")
_MISTRAL = ("gpt-4-1106", "mistral-7b")

PAIRS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "mmlu": (_GPT_4,),
    "gsm8k": (_GPT_4,),
    "mtbench": (_GPT_4,),
    "alpaca2fn": (_GPT_4,),
    "alpaca2": (("gpt-4-1106", "claude-2.1"), ("gpt-4-1106", "gpt-3.5-turbo")),
    "rb_arc": (_GPT_4, _MISTRAL),
    "rb_mbpp": (_GPT_4, _MISTRAL),
    "rb_winogrande": (_GPT_4, _MISTRAL),
    "mmlu_pro": (_LLAMA, _GEMINI),
    "ze_gsm8k": (_LLAMA, _OPENAI, _CLAUDE),
    "ze_math": (_LLAMA, _OPENAI, _CLAUDE),
    "ze_crux": (_LLAMA, _OPENAI, _CLAUDE),
    "routerarena": (("gemini-2.0-flash-001", "claude-3-haiku"),),
}
"""The pairs, strong and weak, that a set is known for."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a router's authors report: APGR, and CPT of half and of 80 % as shares of calls."""

    router: str
    apgr: float
    cpt50: float
    cpt80: float
    source: str


_ROUTELLM = "arXiv 2406.18665v4, table"

_TABLES: Final[Mapping[str, tuple[str, Mapping[str, tuple[float, float, float]]]]] = {
    "mtbench": (
        f"{_ROUTELLM} 1",
        {
            "random": (0.500, 0.490, 0.781),
            "Arena: BERT": (0.391, 0.781, 0.876),
            "Arena: causal LLM": (0.573, 0.288, 0.775),
            "Arena: matrix factorisation": (0.580, 0.253, 0.743),
            "Arena: SW ranking": (0.610, 0.379, 0.590),
            "+ judged chats: BERT": (0.751, 0.196, 0.340),
            "+ judged chats: causal LLM": (0.679, 0.315, 0.488),
            "+ judged chats: matrix factorisation": (0.802, 0.134, 0.313),
            "+ judged chats: SW ranking": (0.759, 0.232, 0.360),
        },
    ),
    "mmlu": (
        f"{_ROUTELLM} 2",
        {
            "random": (0.500, 0.501, 0.799),
            "Arena: BERT": (0.502, 0.494, 0.778),
            "Arena: causal LLM": (0.499, 0.489, 0.779),
            "Arena: matrix factorisation": (0.524, 0.450, 0.769),
            "Arena: SW ranking": (0.473, 0.558, 0.803),
            "+ 1,500 labels: BERT": (0.572, 0.413, 0.722),
            "+ 1,500 labels: causal LLM": (0.600, 0.355, 0.703),
            "+ 1,500 labels: matrix factorisation": (0.597, 0.355, 0.714),
            "+ 1,500 labels: SW ranking": (0.603, 0.354, 0.716),
        },
    ),
    "gsm8k": (
        f"{_ROUTELLM} 3",
        {
            "random": (0.497, 0.500, 0.801),
            "Arena: BERT": (0.438, 0.588, 0.838),
            "Arena: causal LLM": (0.461, 0.561, 0.836),
            "Arena: matrix factorisation": (0.475, 0.536, 0.852),
            "Arena: SW ranking": (0.475, 0.544, 0.821),
            "+ judged chats: BERT": (0.531, 0.448, 0.791),
            "+ judged chats: causal LLM": (0.622, 0.336, 0.633),
            "+ judged chats: matrix factorisation": (0.565, 0.388, 0.726),
            "+ judged chats: SW ranking": (0.568, 0.412, 0.722),
        },
    ),
}


def published(name: str, strong: str, weak: str) -> list[Figure]:
    """What is reported for a set and a pair; nothing where nobody has."""
    if (strong, weak) != _GPT_4 or name not in _TABLES:
        return []
    source, rows = _TABLES[name]
    return [Figure(router, *values, source) for router, values in rows.items()]
