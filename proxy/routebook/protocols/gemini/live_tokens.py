"""Short-lived tokens of Gemini's Live (`auth_tokens`): what is asked of one, and a session's `setup` under its constraints.

After the vendor's reference of `v1alpha` (2026): a token opens sessions for a minute and lets them run for half an hour, where
nothing else is said, once. A `setup` that it holds takes the place of the client's, as a whole, or in the fields that
`fieldMask` names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from routebook.protocols.body import MODEL_LENGTH, WORD, read_field, read_fields, wrong
from routebook.protocols.errors import ProtocolError, Side

NAME: Final = "auth_tokens/"
"""How a token's name begins, which is the token itself."""

OPENS: Final = 60
LASTS: Final = 30 * 60
LONGEST: Final = 20 * 3600
"""Seconds that a token opens sessions and that they last where nothing is said, and at most."""

MOST_USES: Final = 1_000_000

_UPDATES: Final = frozenset({"systemInstruction", "tools"})
"""What a client may change in a session that runs, where nothing keeps it from that."""

_UPDATE: Final = frozenset({"contextUpdate", "context_update"})
_SETUP: Final = frozenset({"setup"})
_KEPT: Final = ("sessionResumption",)
"""What stays the client's own where all is locked: without it no session could be resumed."""

_LETTER: Final = re.compile(r"_([a-z0-9])")
_MAPPING: Final = msgspec.json.Decoder(dict[str, Any])
_COUNT: Final = msgspec.json.Decoder(int, strict=False)
Setup = dict[str, Any]


class TokenAsked(NamedTuple):
    """What is asked of a token. Times are seconds since 1970: until when it opens sessions, and when they end. `uses` 0: no
    limit. `setup` (empty: none) is what its sessions are set to, `mask` which fields of that (None: all)."""

    opens: int
    ends: int
    uses: int
    setup: Setup
    mask: str | None


def read_token(body: bytes, now: float) -> TokenAsked:
    """A request for a token, at this moment; raises ProtocolError."""
    fields = read_fields(body) if body.strip() else {}
    ends = _moment(fields, "expireTime", now, LASTS)
    opens = min(ends, _moment(fields, "newSessionExpireTime", now, OPENS))
    uses = read_field(fields, "uses", _COUNT)
    if uses is not None and not 0 <= uses <= MOST_USES:
        raise wrong(f"a number from 0 to {MOST_USES} is expected", "uses")
    setup = read_field(fields, "bidiGenerateContentSetup", _MAPPING) or {}
    model = setup.get("model")
    if model is not None and not (isinstance(model, str) and 0 < len(model) <= MODEL_LENGTH):
        raise wrong("the model must be a name", "bidiGenerateContentSetup.model")
    mask = read_field(fields, "fieldMask", WORD)
    return TokenAsked(opens, ends, 1 if uses is None else uses, setup, mask or None)


def _moment(fields: Mapping[str, msgspec.Raw], name: str, now: float, usual: int) -> int:
    written = read_field(fields, name, WORD)
    if written is None:
        return int(now) + usual
    try:
        read = datetime.fromisoformat(written)
    except ValueError:
        raise wrong("a time after RFC 3339 is expected", name) from None
    at = int((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp())
    if not now < at <= now + LONGEST:
        raise wrong(f"the time must be in the next {LONGEST // 3600} hours", name)
    return at


def locks_all(setup: Setup, mask: str | None) -> bool:
    """Whether all of a session's settings are the token's."""
    return bool(setup) and mask is None


def forbidden(setup: Setup, mask: str | None) -> frozenset[str]:
    """Frames that a client may not send in a session under such constraints, by their names."""
    if not setup and mask is None:
        return frozenset()
    locked = locks_all(setup, mask) or any(path[0] in _UPDATES for path in _paths(mask or ""))
    return _SETUP | _UPDATE if locked else _SETUP


def resumes(first: bytes) -> bool:
    """Whether the client's first frame goes on with a session that was; never raises."""
    try:
        setup = _MAPPING.decode(first).get("setup")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    resumption = _variant(setup, "sessionResumption") if isinstance(setup, dict) else None
    return isinstance(resumption, dict) and bool(resumption.get("handle"))


def constrained(first: bytes, setup: Setup, mask: str | None) -> bytes:
    """The client's first frame under a token's constraints; raises ProtocolError where it is none. Names of fields count
    as the same in camel case and with underscores, as the vendor reads them."""
    if not setup and mask is None:
        return first
    fields = read_fields(first)
    if "setup" not in fields:
        raise ProtocolError(Side.CLIENT, "the first message must be `setup`", param="setup")
    own = read_field(fields, "setup", _MAPPING) or {}
    if locks_all(setup, mask):
        kept = {name: value for name in ("model", *_KEPT) if (value := _variant(own, name)) is not None}
        merged = {**kept, **{_camel(name): value for name, value in setup.items()}}
    else:
        merged = own
        for path in _paths(mask or ""):
            _lock(merged, setup, path)
    return msgspec.json.encode({"setup": merged})


def _paths(mask: str) -> list[tuple[str, ...]]:
    """The fields that a mask names, as `a.b,c`."""
    return [tuple(map(_camel, path.strip().split("."))) for path in mask.split(",") if path.strip()]


def _lock(own: Setup, setup: Setup, path: tuple[str, ...]) -> None:
    """Put what the token has at a path in the place of the client's; where it has nothing there, there is nothing."""
    name, *rest = path
    theirs, mine = _variant(setup, name), _variant(own, name)
    for written in [each for each in own if _camel(each) == name]:
        del own[written]
    if rest and isinstance(theirs, dict | None) and isinstance(mine, dict | None):
        inner = dict(mine or {})
        _lock(inner, theirs or {}, tuple(rest))
        if inner or mine is not None:
            own[name] = inner
    elif theirs is not None:
        own[name] = theirs


def _variant(fields: Setup, name: str) -> Any:
    """What stands under a name, however that is written; of several, what the last says."""
    found = [value for written, value in fields.items() if _camel(written) == name]
    return found[-1] if found else None


def _camel(name: str) -> str:
    return _LETTER.sub(lambda found: found[1].upper(), name)
