"""What was found, as the operator is told."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """How something stands: well, worth a look, or in the way of a service."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `about` is what it looked at where there are several; `advice` what to do, unless all is well."""

    check: str
    verdict: Verdict
    says: str
    advice: str | None = None
    about: str | None = None


def ok(check: str, says: str, about: str | None = None) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, says, None, about)


def warn(check: str, says: str, advice: str, about: str | None = None) -> Finding:
    """Worth a look; a service runs all the same."""
    return Finding(check, Verdict.WARN, says, advice, about)


def fail(check: str, says: str, advice: str, about: str | None = None) -> Finding:
    """A service does not run, or not rightly."""
    return Finding(check, Verdict.FAIL, says, advice, about)
