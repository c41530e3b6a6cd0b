"""What is wrong with bytes that came from outside; the one exception that leaves this room."""

from __future__ import annotations

import enum


class Side(enum.Enum):
    """Whose bytes they were."""

    CLIENT = "client"
    UPSTREAM = "upstream"


class ProtocolError(Exception):
    """Bytes that are not what their dialect says they must be.

    `message` is for whoever sent them: lower case, no full stop, never a word of what they contained. `param` is the
    field that is at fault, as a path (`messages[0].role`); `code` is the dialect's word for the fault; `status` is the
    HTTP status it asks for.
    """

    def __init__(
        self, side: Side, message: str, *, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.side = side
        self.message = message
        self.status = status
        self.code = code or ("invalid_request" if side is Side.CLIENT else "invalid_answer")
        self.param = param

    def __repr__(self) -> str:
        return f"<ProtocolError {self.side.value} {self.status} {self.code}: {self.message}>"
