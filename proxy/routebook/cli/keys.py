"""`routebook keys`: the keys by which clients show who they are."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routebook.documents.visible import visible

if TYPE_CHECKING:
    from routebook.edge.identity.store import KeyStore, StoredKey

HELP = """Make, list, rotate and revoke the keys of clients.

    routebook keys create web --expires 90d --note "shop, staging"
                                          a key for the client `web` of the policy; it is shown this once
    routebook keys list                   every key by its id, with its last four characters
    routebook keys rotate 7f3k2m9q        a successor; the old key is valid for another `--overlap`
    routebook keys revoke 7f3k2m9q        not valid any more (the key itself may stand in place of its id)

Digests of keys stand in the state directory. All workers of the service there know of a change within a second, without
a reload. `create` and `rotate` print the key alone on standard output. With `--print-digest`, `create` stores nothing and
prints a line for the policy instead, for services on several hosts that share ROUTEBOOK_KEY_PEPPER."""

FORMATS = ("text", "json")

ACTIONS = {
    "create": ("CLIENT", {"expires", "note", "print_digest"}),
    "list": (None, set[str]()),
    "rotate": ("ID", {"expires", "overlap"}),
    "revoke": ("ID", set[str]()),
}
"""Every action with what it is done to, and its options beside those that all have."""

OVERLAP = "24h"
FULL = "%Y-%m-%d %H:%M:%S UTC"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `keys`."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help="`create`, `list`, `rotate` or `revoke`")
    parser.add_argument(
        "subject", nargs="?", metavar="CLIENT|ID", help="the client's name in the policy, or the key's id"
    )
    parser.add_argument(
        "--expires", metavar="DURATION", help="how long the new key is valid (`90d`; default: for good)"
    )
    parser.add_argument("--note", metavar="TEXT", help="what the key is for")
    parser.add_argument(
        "--overlap",
        metavar="DURATION",
        help=f"how long a rotated key stays valid (default: {OVERLAP}; `0s`: not at all)",
    )
    parser.add_argument(
        "--print-digest", action="store_true", help="store nothing, print the digest as a policy takes it"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 0 done, 1 where there is no such key or the store cannot be used, 2 for arguments that cannot be read."""
    from routebook.edge.identity.store import KeyStore, KeyUnknown, StoreUnreadable

    try:
        _check(args)
        lifetime, overlap = _duration(args, "expires", None), _duration(args, "overlap", OVERLAP)
    except ValueError as error:
        return _fail(str(error), 2)
    store, now = KeyStore(args.state_dir), time.time()
    try:
        if args.action != "create" and not args.state_dir.is_dir():
            return _fail(f"there is no `{args.state_dir}`; name the service's state directory with `--state-dir`")
        match args.action:
            case "create" if args.print_digest:
                return _print_digest(args)
            case "create":
                expires = None if lifetime is None else now + lifetime
                _show_new(*store.create(args.subject, now, expires, args.note), None, store, args.format)
            case "rotate":
                _show_new(*store.rotate(args.subject, now, overlap or 0.0, lifetime), store, args.format)
            case "revoke":
                _show_revoked(store.revoke(args.subject, now), args.format)
            case _:
                _show_all(store.kept(), now, args.format)
    except KeyUnknown as error:
        return _fail(f"{error.args[0]}; `routebook keys list` names them all")
    except StoreUnreadable as error:
        return _fail(f"the key store `{store.path}` cannot be used: {error}")
    except ValueError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"`{error.filename or args.state_dir}`: {error.strerror}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Whether the arguments fit the action; raises ValueError. Nothing that may be a key is repeated."""
    from routebook.catalogue.callers import ANONYMOUS
    from routebook.documents.names import is_name

    subject, options = ACTIONS[args.action]
    if (subject is None) != (args.subject is None):
        raise ValueError(f"`{args.action}` takes {'nothing more' if subject is None else f'a {subject}'}")
    for option in ("expires", "note", "overlap", "print_digest"):
        if getattr(args, option) not in (None, False) and option not in options:
            raise ValueError(f"`{args.action}` takes no `--{option.replace('_', '-')}`")
    if args.action == "create" and (not is_name(args.subject) or args.subject == ANONYMOUS.name):
        raise ValueError("this cannot name a client; a name is one word of letters, digits and `. _ - : / @ +`")
    if args.print_digest and (args.expires is not None or args.note is not None):
        raise ValueError("a policy holds neither `--expires` nor `--note` of a key")


def _duration(args: argparse.Namespace, name: str, default: str | None) -> float | None:
    """A duration in seconds, None where there is none; raises ValueError for the operator."""
    from routebook.documents.quantities import EXAMPLES, Unit, parse_quantity

    text = getattr(args, name) or default
    if text is None:
        return None
    seconds = parse_quantity(text, Unit.DURATION)
    if seconds is None or (seconds < 1 and name == "expires"):
        raise ValueError(f"`{text}` is no duration for `--{name}`; write it as {EXAMPLES[Unit.DURATION]}")
    return float(seconds)


def _print_digest(args: argparse.Namespace) -> int:
    import os

    from routebook.edge.identity.keys import NOISE_BYTES, digest_of, key_of
    from routebook.edge.identity.pepper import own_pepper

    args.state_dir.mkdir(parents=True, exist_ok=True)
    key = key_of(os.urandom(NOISE_BYTES))
    digest = f"hmac-sha256:{digest_of(own_pepper(args.state_dir, os.environ), key).hex()}"
    if args.format == "json":
        _print_json({"client": args.subject, "key": key, "digest": digest})
    else:
        print(key)
        print(f'{args.subject}: {{keys: ["{digest}"]}}')
        _say("the key is shown this once and stored nowhere; the second line is for `clients` of the policy")
    return 0


def _show_new(key: str, kept: StoredKey, old: StoredKey | None, store: KeyStore, form: str) -> None:
    """The key, this once, and what is kept of it."""
    if form == "json":
        row = as_row(kept, kept.created)
        _print_json({**row, "key": key} | ({} if old is None else {"replaces": as_row(old, kept.created)}))
        return
    print(key)
    ends = "" if kept.expires is None else f", valid until {_moment(kept.expires)}"
    _say(f"key {kept.id} of `{kept.client}`{ends}; it is shown this once (its digest stands in {store.path})")
    if old is not None and old.expires is not None:
        _say(f"the old key {old.id} is valid until {_moment(old.expires)}")


def _show_revoked(key: StoredKey, form: str) -> None:
    assert key.revoked is not None
    if form == "json":
        _print_json(as_row(key, key.revoked))
    else:
        print(f"key {key.id} of `{key.client}` (...{key.last}) is revoked since {_moment(key.revoked)}")


def _show_all(keys: tuple[StoredKey, ...], now: float, form: str) -> None:
    if form == "json":
        _print_json([as_row(key, now) for key in keys])
        return
    rows = [("ID", "CLIENT", "KEY", "STATE", "CREATED", "EXPIRES", "NOTE")]
    for key in keys:
        ends = "never" if key.expires is None else _moment(key.expires)
        moments = _moment(key.created), ends
        rows.append((key.id, visible(key.client), f"...{key.last}", key.state(now), *moments, visible(key.note)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def as_row(key: StoredKey, now: float) -> dict[str, Any]:
    """What people and programs may know of a key; times are seconds since 1970."""
    return {
        "id": key.id,
        "client": key.client,
        "last": key.last,
        "state": key.state(now),
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "note": key.note,
    }


def _moment(seconds: float) -> str:
    return time.strftime(FULL, time.gmtime(seconds))


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, ensure_ascii=True, indent=2))


def _say(line: str) -> None:
    print(f"routebook keys: {line}", file=sys.stderr)


def _fail(message: str, code: int = 1) -> int:
    _say(message)
    return code
