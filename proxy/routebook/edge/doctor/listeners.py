"""What the listeners would show of themselves: their certificates, keys, and who may read the keys."""

from __future__ import annotations

import stat
from pathlib import Path

from routebook.edge.doctor.finding import Finding, fail, ok, warn
from routebook.edge.doctor.network import DAY, SOON
from routebook.edge.tls.pair import BadPair, Files, read_pair


def certificate(files: Files, now: float, listener: str) -> list[Finding]:
    """Whether a listener could show this pair, for how long, and whether its key is kept."""
    try:
        pair = read_pair(files)
    except BadPair as bad:
        return [fail("certificate", f"`{bad.path}`: {bad}", "correct it, or the option that names it", listener)]
    names = ", ".join(pair.names[:4]) or "no name"
    says = f"for {names}, {(pair.ends - now) / DAY:,.0f} days more"
    if pair.ends <= now:
        return [fail("certificate", f"for {names}, it has ended", "renew it; SIGHUP takes the new one", listener)]
    found = (
        warn("certificate", says, "renew it; SIGHUP takes the new one", listener) if pair.ends - now < SOON else None
    )
    return [found or ok("certificate", says, listener), _kept(files.key, listener)]


def _kept(key: Path, listener: str) -> Finding:
    if key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return fail("tls-key", f"`{key}` may be read by everybody on this machine", f"`chmod o= {key}`", listener)
    return ok("tls-key", "its owner and group alone may read it", listener)
