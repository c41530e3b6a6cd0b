"""The names of OpenTelemetry's conventions for generative AI, in one place: they are still in development.

Source: open-telemetry/semantic-conventions-genai, November 2026. `input_tokens` includes what came from a cache.
"""

from __future__ import annotations

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT: Final = "gen_ai.usage.input_tokens"
OUTPUT: Final = "gen_ai.usage.output_tokens"
CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"
ERROR: Final = "error.type"
STATUS: Final = "http.response.status_code"

TOKEN_USAGE: Final = "gen_ai.client.token.usage"
DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"

TOKEN_BUCKETS: Final = tuple(float(4**power) for power in range(14))
"""The prescribed bounds of `TOKEN_USAGE`: 1, 4, 16 ... 67,108,864."""

SECONDS_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The prescribed bounds of `DURATION`."""

FIRST_CHUNK_BUCKETS: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Bounds of `TIME_TO_FIRST_CHUNK`."""

OPERATIONS: Final = {"chat": "chat", "embeddings": "embeddings", "completion": "text_completion"}
"""What the conventions call our operations; others go by our own word."""

OURS: Final = "routebook"
"""What our own attributes begin with: `routebook.decision.id`."""
