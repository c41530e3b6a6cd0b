"""How `routebook top` looks: lines of text made of figures, as wide and as high as there is room for.

A state is always said in a word; colour is added to it, never instead of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from routebook.cli.top_figures import Figures
from routebook.documents.visible import visible

BAR = 20
"""Characters of a budget's bar."""

_BOLD, _RED, _YELLOW, _DIM, _PLAIN = "\033[1m", "\033[31m", "\033[33m", "\033[2m", "\033[0m"


def screen(figures: Figures, width: int, height: int | None, *, colour: bool) -> list[str]:
    """The lines of one look; `height` None: as many as there are."""
    blocks = [
        list(_head(figures)),
        _table(("model", "calls/s", "failed/s", "first token p50/p95", "tokens/s", "$/min"), _models(figures)),
        _table(("account", "state", "busy", "failed", "why"), _accounts(figures)),
        _table(("budget", "scope", "used", "", "left"), _budgets(figures)),
        _table(("limit", "scope", "at once", "waiting"), _limits(figures)),
        _table(("rule", "decisions/s"), _rules(figures)),
        _table(("not well", "end", "a second"), _ends(figures)),
    ]
    lines = [line for block in _fitted([block for block in blocks if block], height) for line in (*block, "")][:-1]
    cut = [line[:width] for line in lines]
    return [_coloured(line) for line in cut] if colour else cut


def _head(figures: Figures) -> Iterator[str]:
    up = _period(figures.at - figures.began)
    reload = "last reload taken" if figures.reload_ok else "LAST RELOAD REJECTED"
    clock = time.strftime("%H:%M:%S", time.localtime(figures.at))
    workers = f"{figures.workers} workers" + (f" ({figures.replaced} replaced)" if figures.replaced else "")
    yield f"routebook {figures.version}  up {up}  {workers}  {clock}"
    yield f"policy {figures.digest}  {reload}"
    yield (
        f"requests {figures.requests_per_second:.1f}/s  failed {figures.failed_per_second:.1f}/s  "
        f"refused {figures.refused_per_second:.1f}/s  in progress {figures.in_progress}  waiting {figures.waiting}"
    )
    yield (
        f"latency p50 {_seconds(figures.latency_p50)} p95 {_seconds(figures.latency_p95)}  "
        f"tokens {figures.tokens_per_second:,.0f}/s  spent ${figures.dollars_per_minute:.4f}/min"
    )


def _models(figures: Figures) -> Iterator[tuple[str, ...]]:
    for each in figures.models:
        pace = f"{_seconds(each.first_token_p50)} / {_seconds(each.first_token_p95)}"
        yield (
            each.model,
            f"{each.calls_per_second:.1f}",
            f"{each.failed_per_second:.1f}",
            pace,
            f"{each.tokens_per_second:,.0f}",
            f"{each.dollars_per_minute:.4f}",
        )


def _accounts(figures: Figures) -> Iterator[tuple[str, ...]]:
    for each in figures.accounts:
        why = (each["because"] or "") + (f", until {each['until']}" if each["until"] else "")
        opened = [f"{one['model']}: breaker {one['state']}" for one in each["breakers"]]
        reasons = "; ".join(part for part in (why, *opened) if part)
        failed = f"{each['failed']}/{each['calls']}"
        yield f"{each['provider']}/{each['account']}", each["state"], str(each["in_flight"]), failed, reasons


def _budgets(figures: Figures) -> Iterator[tuple[str, ...]]:
    from routebook.cli.budgets import amount

    for each in figures.budgets:
        fullest = sorted(each["scopes"], key=lambda scope: int(scope["left"]))
        for scope in fullest[:3]:
            used = each["limit"] - scope["left"]
            filled = min(BAR, max(0, used) * BAR // each["limit"])
            share = f"{max(0, used) * 100 / each['limit']:.1f} %"
            left = amount(max(0, scope["left"]), each["unit"])
            yield each["name"], scope["scope"], "#" * filled + "." * (BAR - filled), share, left
        if len(fullest) > 3:
            yield each["name"], f"and {len(fullest) - 3} more", "", "", ""


def _limits(figures: Figures) -> Iterator[tuple[str, ...]]:
    for each in figures.limits:
        for scope in each["scopes"]:
            at_once = "" if scope["concurrent"] is None else f"{scope['concurrent']} of {each['concurrent']}"
            yield each["name"], scope["scope"], at_once, str(scope["waiting"])


def _rules(figures: Figures) -> Iterator[tuple[str, ...]]:
    for each in figures.rules:
        yield each.rule or "(no rule)", f"{each.decisions_per_second:.1f}"


def _ends(figures: Figures) -> Iterator[tuple[str, ...]]:
    for each in figures.ends:
        yield each.status, each.end, f"{each.per_second:.1f}"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table, numbers to the right; nothing where it has no rows."""
    cells = [tuple(visible(cell) for cell in row) for row in rows]
    if not cells:
        return []
    widths = [max(len(row[column]) for row in (heading, *cells)) for column in range(len(heading))]
    right = [all(_is_number(row[column]) for row in cells) for column in range(len(heading))]
    return [
        "  ".join(
            cell.rjust(wide) if to_right else cell.ljust(wide)
            for cell, wide, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (heading, *cells)
    ]


def _fitted(blocks: list[list[str]], height: int | None) -> list[list[str]]:
    """What there is room for: the longest tables lose their last rows first."""
    if height is None:
        return blocks
    fitted = [list(block) for block in blocks]
    while sum(len(block) + 1 for block in fitted) - 1 > height:
        longest = max(fitted[1:], key=len, default=[])
        if len(longest) <= 2:
            return fitted[:1] if len(fitted) <= 2 else _fitted(fitted[:-1], height)
        more = longest[-1].startswith("... ")
        hidden = int(longest[-1].split()[1]) + 1 if more else 2
        del longest[-2:]
        longest.append(f"... {hidden} more")
    return fitted


def _coloured(line: str) -> str:
    """Headings bold, what wants a look in colour; the words are there either way."""
    if line.startswith(("routebook ", "policy ", "model ", "account ", "budget ", "limit ", "rule ", "not well ")):
        colour = _RED if "REJECTED" in line else _BOLD
        return f"{colour}{line}{_PLAIN}"
    if " out " in line or "breaker open" in line:
        return f"{_RED}{line}{_PLAIN}"
    if " resting " in line or " probing " in line:
        return f"{_YELLOW}{line}{_PLAIN}"
    return f"{_DIM}{line}{_PLAIN}" if line.startswith("... ") else line


def _is_number(cell: str) -> bool:
    return cell == "" or cell[0].isdigit() or cell[0] == "$"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}s"


def _period(seconds: float) -> str:
    hours, rest = divmod(max(0, int(seconds)), 3600)
    days, hours = divmod(hours, 24)
    return (f"{days}d " if days else "") + f"{hours}:{rest // 60:02}:{rest % 60:02}"


def as_object(figures: Figures) -> dict[str, Any]:
    """The figures for programs."""
    import dataclasses

    shown = dataclasses.asdict(figures)
    return {"version": 1, "program": shown.pop("version"), **shown}
