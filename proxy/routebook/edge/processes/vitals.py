"""What the supervisor knows of itself, as metrics: reloads, the policy in force, workers, the index, the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from routebook import __version__
from routebook.edge.journal.archive import Archive
from routebook.edge.ledger.gauges import ledger_facts
from routebook.edge.ledger.owner import Owner
from routebook.edge.metrics import Family
from routebook.edge.processes.crew import Crew
from routebook.edge.processes.rollout import Rollout
from routebook.edge.scrape import Fact
from routebook.health.reports import WORDS, AccountReport

RELOAD_OK = Family(
    "routebook_config_last_reload_successful",
    "gauge",
    "1 if the policy's files, when last read, were taken; 0 if they were rejected.",
)
RELOAD_AT = Family(
    "routebook_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the policy's files were last read and taken (Unix time).",
)
RELOADS = Family("routebook_reloads", "counter", "Reloads by result: swapped, unchanged, rejected.", ("result",))
POLICY = Family("routebook_policy_info", "gauge", "The policy in force, by its digest.", ("digest",))
BUILD = Family("routebook_build_info", "gauge", "The running version.", ("version",))
BEGAN = Family("routebook_start_time_seconds", "gauge", "When the service began (Unix time).")
WORKERS = Family("routebook_workers", "gauge", "Workers that serve.")
REPLACED = Family("routebook_workers_replaced", "counter", "Workers that died and were replaced.")
BEHIND = Family("routebook_index_behind_bytes", "gauge", "Journal bytes that the index has not read yet.")
SETTLED = Family(
    "routebook_records_settled_after_crash", "counter", "Records whose process died before it wrote their end."
)


STRAYS = Family(
    "routebook_ledger_strays",
    "gauge",
    "Records whose ending found no hold, so that it settled nothing: lines are missing, or stand twice.",
)

CERTIFICATE_ENDS = Family(
    "routebook_tls_certificate_end_timestamp_seconds",
    "gauge",
    "When the certificate that a listener shows ends (Unix time), by listener: public, admin.",
    ("listener",),
)

ACCOUNTS = Family(
    "routebook_account_state",
    "gauge",
    "1 for the state that an account is in: ready, resting, probing or out; 0 for the others.",
    ("account", "state"),
)


def vitals(
    rollout: Rollout, crew: Crew, archive: Archive, owner: Owner, began: float, accounts: Sequence[AccountReport]
) -> list[Fact]:
    """The supervisor's own gauges and counters."""
    tally = rollout.tally
    return [
        Fact(RELOAD_OK, [((), float(tally.last is None or tally.last.succeeded))]),
        Fact(RELOAD_AT, [((), tally.last_success)]),
        Fact(
            RELOADS,
            [((result,), float(tally.by_result.get(result, 0))) for result in ("swapped", "unchanged", "rejected")],
        ),
        Fact(POLICY, [((rollout.current.digest,), 1.0)]),
        Fact(BUILD, [((__version__,), 1.0)]),
        Fact(BEGAN, [((), began)]),
        Fact(WORKERS, [((), float(len(crew.serving())))]),
        Fact(REPLACED, [((), float(crew.replaced))]),
        Fact(BEHIND, [((), float(archive.behind))]),
        Fact(SETTLED, [((), float(archive.settled))]),
        Fact(STRAYS, [((), float(archive.strays))]),
        *ledger_facts(rollout.current.counting, owner),
        Fact(
            ACCOUNTS,
            [
                ((f"{each.provider}/{each.account}", state), float(each.state == state))
                for each in accounts
                for state in dict.fromkeys(WORDS.values())
            ],
        ),
    ]
