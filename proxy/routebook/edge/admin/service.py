"""What stands behind the admin listener: the service that it shows and steers, and how it describes itself.

A room that has something to show adds a method here and carries it out in the supervisor; what it returns is a frozen
`Shown`, whose fields and docstring become the published document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from routebook.edge.feedback import Rated
from routebook.edge.processes.rollout import Reloaded

if TYPE_CHECKING:
    import ssl


class Shown(msgspec.Struct, frozen=True):
    """What an answer holds, by field. A later version may add fields, so readers pass over what they do not know."""


class WorkerShown(Shown, frozen=True):
    """A worker that serves."""

    instance: Annotated[str, Meta(description="its name in records")]
    pid: Annotated[int, Meta(description="process id")]
    digest: Annotated[str | None, Meta(description="the policy that it serves")]


class ReloadShown(Shown, frozen=True):
    """What came of reading the policy again."""

    result: Annotated[str, Meta(description="`swapped`, `unchanged` or `rejected`")]
    digest: Annotated[str, Meta(description="the policy that serves now")]
    at: Annotated[float, Meta(description="when, Unix seconds")]
    seconds: Annotated[float, Meta(description="how long it took")]
    problems: Annotated[list[dict[str, Any]], Meta(description="as `routebook check --format json` has them")]
    text: Annotated[str, Meta(description="the problems for people")]

    @classmethod
    def of(cls, reloaded: Reloaded) -> ReloadShown:
        """A reload's outcome, ready for an answer."""
        return cls(
            reloaded.result,
            reloaded.digest,
            reloaded.at,
            round(reloaded.seconds, 4),
            list(reloaded.problems),
            reloaded.text,
        )


class PolicyShown(Shown, frozen=True):
    """The policy in force and who serves it."""

    digest: Annotated[str, Meta(description="of the policy in force")]
    holds: Annotated[dict[str, int], Meta(description="how many rules, models, providers and so on it has")]
    files: Annotated[list[str], Meta(description="what it was read from, by name")]
    policy: Annotated[str, Meta(description="where those files stand")]
    warnings: Annotated[list[dict[str, Any]], Meta(description="as `routebook check --format json` has them")]
    workers: Annotated[list[WorkerShown], Meta(description="the workers that serve")]
    last_reload: Annotated[ReloadShown | None, Meta(description="null where there was none")]
    version: Annotated[str, Meta(description="of the program")]


@dataclass(frozen=True, slots=True)
class Doorway:
    """How the service asks what it serves itself, as a client of the policy: where, in TLS trusting whom (None: not in TLS),
    and showing which secret, which nobody else sees. `certified`: clients show a certificate there, and the service has
    none to show."""

    host: str
    port: int
    trust: ssl.SSLContext | None
    secret: str = field(repr=False)
    certified: bool = False


class Service(Protocol):
    """What the admin listener shows and does."""

    @property
    def is_ready(self) -> bool:
        """Whether a worker serves and the service is not on its way out."""
        ...

    @property
    def state_dir(self) -> Path:
        """Where the records stand."""
        ...

    def describe(self) -> PolicyShown:
        """The policy in force, the workers and the last reload."""
        ...

    async def metrics_text(self) -> bytes:
        """All counts as Prometheus text."""
        ...

    def ledger(self) -> Shown:
        """What the ledger's owner counts (`admin.ledger.LedgerShown`)."""
        ...

    def budgets(self) -> Shown:
        """How every budget and limit stands (`admin.budgets.BudgetsShown`)."""
        ...

    async def accounts(self) -> list[dict[str, Any]]:
        """How every account stands, ready for JSON."""
        ...

    async def tell_account(self, provider: str, account: str, does: str, seconds: float | None) -> bool:
        """Have an account `rest` (for so long; None: a day), or `admit` it again; whether there is such an account."""
        ...

    def doorway(self, client: str, model: str) -> Doorway:
        """The way in to a session with a model as this client of the policy, for the next minute."""
        ...

    async def rate(self, decision: str, quality: float) -> Rated:
        """Note how good an answer was; raises NotRated."""
        ...

    async def reload(self) -> Reloaded:
        """Read the policy again and say what came of it."""
        ...
