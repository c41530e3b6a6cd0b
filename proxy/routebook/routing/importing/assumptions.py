"""What is assumed where a source says nothing, and what is said of it."""

from __future__ import annotations

from routebook.routing.drafting import Entry

CAPABILITIES = ("tools", "vision", "documents", "audio_in", "audio_out", "json_schema", "logprobs", "reasoning")
"""What models of a source are taken to be capable of: the peers send every request to them, whatever it needs."""

OF_EVERYTHING = (
    "The source does not say what its models can do, so they are declared to do everything: take out of `capabilities` "
    "what one cannot, and requests that need it pass it over."
)

NO_SUCH_MODEL: Entry = {"status": 404, "message": "there is no such model", "code": "model_not_found"}
