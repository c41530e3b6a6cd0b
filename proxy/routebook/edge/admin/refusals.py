"""Every way the admin listener refuses, with its stable code and HTTP status: one table."""

from __future__ import annotations

from typing import Final

STATUSES: Final = {
    "admin.bad-request": 400,
    "admin.malformed": 400,
    "admin.no-token": 401,
    "admin.no-certificate": 401,
    "admin.unknown-token": 401,
    "admin.expired-token": 401,
    "admin.revoked-token": 401,
    "admin.wrong-role": 403,
    "admin.browser": 403,
    "admin.from-elsewhere": 403,
    "admin.unknown-path": 404,
    "admin.unknown-record": 404,
    "admin.unknown-account": 404,
    "admin.unknown-key": 404,
    "admin.wrong-method": 405,
    "admin.unanswered": 409,
    "admin.rated-already": 409,
    "admin.too-large": 413,
    "admin.bug": 500,
    "admin.tokens-unreadable": 503,
    "admin.keys-unreadable": 503,
    "admin.not-recorded": 503,
}
"""Each code and the status it is answered with."""


class Refused(Exception):
    """A request that is not carried out, and why: a code of `STATUSES` and a message for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUSES[self.code]
