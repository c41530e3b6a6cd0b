"""All facts that rules may ask about: one row each. The reference page, the schema and the readers come from here."""

from __future__ import annotations

from routebook.documents.quantities import Unit
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from routebook.scoring.tasks import TASKS

WRITING_DOWN = ("transcription", "translation")
"""Operations whose prompt is sound: it is written down in its language, or in English."""

OPERATIONS = ("chat", "completion", "embeddings", "speech", *WRITING_DOWN, "image", "realtime", "count_tokens")
"""What a client may ask of a model."""

CLIENT_DIALECTS = (
    "openai-chat",
    "openai-responses",
    "openai-realtime",
    "openai-live",
    "anthropic",
    "gemini",
    "gemini-live",
)
"""What a client may speak."""

CAPABILITIES = ("tools", "vision", "documents", "audio_in", "audio_out", "json_schema", "logprobs", "reasoning")
"""What a request may need and a model may be able to do."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days as rules name them, Monday first."""

_FLAG, _TEXT, _NUMBER, _SET = FactType.FLAG, FactType.TEXT, FactType.NUMBER, FactType.SET
_GIVEN, _SCANNED, _SCORED, _ASKED = CostClass.GIVEN, CostClass.SCANNED, CostClass.SCORED, CostClass.ASKED

FACTS = FactTable(
    (
        FactSpec(
            "request.operation",
            _TEXT,
            _GIVEN,
            "what is asked of a model, by the path",
            words=OPERATIONS,
            may_be_missing=False,
        ),
        FactSpec(
            "request.dialect",
            _TEXT,
            _GIVEN,
            "the API that the client speaks, by path and headers",
            words=CLIENT_DIALECTS,
            may_be_missing=False,
        ),
        FactSpec(
            "request.model", _TEXT, _GIVEN, "the model the client asked for, as it wrote it", may_be_missing=False
        ),
        FactSpec("request.stream", _FLAG, _GIVEN, "whether the answer is wanted as a stream", may_be_missing=False),
        FactSpec(
            "request.max_output",
            _NUMBER,
            _GIVEN,
            "the most tokens the client wants back, where it says so",
            unit=Unit.TOKENS,
        ),
        FactSpec(
            "request.needs",
            _SET,
            _GIVEN,
            "what the request cannot do without",
            words=CAPABILITIES,
            may_be_missing=False,
        ),
        FactSpec("request.header.NAME", _TEXT, _GIVEN, "a header of the request; never one that holds credentials"),
        FactSpec("request.form.NAME", _TEXT, _GIVEN, "a field of the form, where the request is one (`language`)"),
        FactSpec("request.metadata.NAME", _TEXT, _GIVEN, "an entry of the body's `metadata`"),
        FactSpec(
            "prompt.bytes", _NUMBER, _GIVEN, "the size of the request's body", unit=Unit.BYTES, may_be_missing=False
        ),
        FactSpec(
            "prompt.messages",
            _NUMBER,
            _GIVEN,
            "how many messages the conversation has, or texts to embed",
            may_be_missing=False,
        ),
        FactSpec("prompt.images", _NUMBER, _GIVEN, "how many images the messages hold", may_be_missing=False),
        FactSpec("prompt.tools", _NUMBER, _GIVEN, "how many tools the request offers", may_be_missing=False),
        FactSpec(
            "prompt.tokens",
            _NUMBER,
            _SCANNED,
            "tokens of the prompt, estimated (typically within 15 %), or counted near a limit",
            unit=Unit.TOKENS,
            may_be_missing=False,
        ),
        FactSpec(
            "prompt.matches.NAME",
            _FLAG,
            _SCANNED,
            "whether the pattern of this name is found in the prompt's text",
            may_be_missing=False,
        ),
        FactSpec(
            "prompt.complexity",
            _NUMBER,
            _SCORED,
            "how hard what the user wrote last is, from 0 (a greeting) to 1, by the local scorer",
            unit=Unit.SCORE,
            may_be_missing=False,
        ),
        FactSpec(
            "prompt.task",
            _TEXT,
            _SCORED,
            "what kind of task the user set last, by the policy's own classes (`settings.router.tasks`), else by the local scorer",
            words=tuple(TASKS),
            grows=True,
            may_be_missing=False,
        ),
        FactSpec(
            "guard.NAME.found", _FLAG, _GIVEN, "whether a guard has masked something; missing where it did not look"
        ),
        FactSpec(
            "guard.NAME.verdict",
            _TEXT,
            _GIVEN,
            "what a guard's service says of the prompt; missing where it was not asked, or said nothing",
        ),
        FactSpec("client.name", _TEXT, _GIVEN, "who calls, by the key presented", may_be_missing=False),
        FactSpec("client.team", _TEXT, _GIVEN, "the caller's team"),
        FactSpec("client.label.NAME", _TEXT, _GIVEN, "a label of the caller"),
        FactSpec(
            "tags",
            _SET,
            _GIVEN,
            "the caller's own tags and those that the request adds by header or metadata",
            may_be_missing=False,
        ),
        FactSpec(
            "budget.NAME.left",
            _NUMBER,
            _ASKED,
            "what is left of the budget in this request's scope",
            unit=Unit.SHARE,
            units=(Unit.MONEY, Unit.TOKENS, Unit.COUNT),
        ),
        FactSpec(
            "budget.NAME.used",
            _NUMBER,
            _ASKED,
            "what is used of the budget in this request's scope",
            unit=Unit.SHARE,
            units=(Unit.MONEY, Unit.TOKENS, Unit.COUNT),
        ),
        FactSpec(
            "time.of_day",
            _NUMBER,
            _GIVEN,
            "the time of day, in the zone the rule names (UTC where it names none)",
            unit=Unit.CLOCK,
            zoned=True,
            may_be_missing=False,
        ),
        FactSpec(
            "time.weekday",
            _TEXT,
            _GIVEN,
            "the day of the week, in the zone the rule names",
            words=WEEKDAYS,
            zoned=True,
            may_be_missing=False,
        ),
        FactSpec(
            "time.date",
            _NUMBER,
            _GIVEN,
            "the date, in the zone the rule names",
            unit=Unit.DATE,
            zoned=True,
            may_be_missing=False,
        ),
        FactSpec(
            "model.NAME.available",
            _FLAG,
            _GIVEN,
            "whether an account of the model is not cooling down",
            may_be_missing=False,
        ),
        FactSpec(
            "model.NAME.first_token",
            _NUMBER,
            _GIVEN,
            "the time to the first byte of its answers, as measured",
            unit=Unit.DURATION,
        ),
        FactSpec(
            "model.NAME.first_audio",
            _NUMBER,
            _GIVEN,
            "the time to the first sound of its spoken answers, as measured",
            unit=Unit.DURATION,
        ),
    )
)
"""Every fact of the language."""
