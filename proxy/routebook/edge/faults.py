"""What can go wrong between the two sides of an exchange, in our own words. Foreign exceptions end where these begin."""

from __future__ import annotations


class CallFailed(Exception):
    """A call that brought no answer, half of one, or one that cannot be used.

    `code` is one of `answers.KINDS`; `words` say it for people and hold nothing that the upstream sent.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code = code
        self.words = words

    def __str__(self) -> str:
        return f"{self.code}: {self.words}"


class ClientStalled(Exception):
    """The client is there but takes nothing."""
