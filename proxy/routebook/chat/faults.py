"""What went wrong at a provider, in nobody's dialect."""

from __future__ import annotations

from routebook.chat.parts import Value


class Fault(Value, frozen=True, gc=False):
    """A provider's refusal or failure: its kind is the HTTP status, as it was given or as its words amount to.

    `code` is the provider's own word for it (`context_length_exceeded`), `param` the field at fault, `retry_after` in
    seconds. The message is the provider's too; it is for the client and never recorded.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
