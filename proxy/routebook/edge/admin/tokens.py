"""Tokens of the admin listener: made, listed and revoked in a file of the state directory, or handed over as a file.

The file of the state directory holds keyed digests only; a token is shown once, when it is made. What is revoked stays
in the file, so that a listener that asked for tokens once does not stand open when the last of them is gone. A file
that is handed over (a secret of an orchestrator) holds tokens themselves, one a line: `read TOKEN` or `operate TOKEN`.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from routebook.edge.admin.route import Role
from routebook.edge.processes.state import digest_key, replace_secretly

FILE: Final = "admin-tokens.json"
"""Inside a state directory: every token ever made there, by its digest."""

LOCAL: Final = "admin-token"
"""Inside a state directory: the running service's own token, for commands on this machine."""

SHORTEST: Final = 32
"""Characters that a token of somebody's own making has at least: too many to be guessed."""

_PREFIX: Final = "rba_"


class Token(msgspec.Struct, frozen=True):
    """A token as it is kept. `last_four` is for people, who must tell one token from another."""

    id: str
    role: Role
    digest: str
    last_four: str
    created: datetime | None = None
    expires: datetime | None = None
    revoked: datetime | None = None
    note: str = ""

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class TokensUnreadable(Exception):
    """A file of tokens is not to be understood; the message says which and where, and quotes nothing of it."""


class _Kept(msgspec.Struct, frozen=True):
    version: int = 1
    tokens: tuple[Token, ...] = ()


def digest_of(secret: str, key: bytes) -> str:
    """The keyed digest of a token; `key` is the state directory's (`state.digest_key`)."""
    return (
        "hmac-sha256:" + hmac.digest(key, b"admin token\0" + secret.encode("utf-8", "surrogateescape"), "sha256").hex()
    )


def new_secret() -> str:
    """A token that nobody has yet."""
    return _PREFIX + secrets.token_urlsafe(32)


def create(state_dir: Path, role: Role, lives: timedelta | None, note: str, now: datetime) -> tuple[str, Token]:
    """Make a token; the token itself, which is kept nowhere, and how it is kept. Raises OSError, TokensUnreadable."""
    secret = new_secret()
    with _owned(state_dir):
        digest = digest_of(secret, digest_key(state_dir))
        expires = None if lives is None else now + lives
        made = Token(secrets.token_hex(4), role, digest, secret[-4:], now, expires, None, note)
        _write(state_dir, (*read_kept(state_dir / FILE), made))
    return secret, made


def revoke(state_dir: Path, identity: str, now: datetime) -> Token | None:
    """Let a token open nothing from now on; None where there is no such token. Raises OSError, TokensUnreadable."""
    with _owned(state_dir):
        tokens = read_kept(state_dir / FILE)
        found = next((token for token in tokens if token.id == identity), None)
        if found is None:
            return None
        revoked = msgspec.structs.replace(found, revoked=found.revoked or now)
        _write(state_dir, tuple(revoked if token is found else token for token in tokens))
    return revoked


def read_kept(path: Path) -> tuple[Token, ...]:
    """The tokens of a state directory's file, oldest first; none where it does not exist. Raises TokensUnreadable."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TokensUnreadable(f"`{path}` cannot be read ({(error.strerror or 'no reason given').lower()})") from error
    try:
        return msgspec.json.decode(content, type=_Kept).tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TokensUnreadable(f"`{path}` is no file of admin tokens") from error


def read_handed_over(path: Path, key: bytes) -> tuple[Token, ...]:
    """The tokens of a file with one a line; raises TokensUnreadable with the line's number."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8"
        raise TokensUnreadable(f"`{path}` cannot be read ({reason})") from error
    return tuple(
        _line(line.split(), f"{path}:{number}", number, key)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    )


def _line(words: list[str], place: str, number: int, key: bytes) -> Token:
    if len(words) != 2 or words[0] not in ("read", "operate"):
        raise TokensUnreadable(f"{place}: write `read` or `operate`, a space and a token")
    role, secret = words
    if len(secret) < SHORTEST or not secret.isascii():
        raise TokensUnreadable(f"{place}: a token has at least {SHORTEST} characters, all of ASCII")
    return Token(f"line-{number}", Role(role), digest_of(secret, key), secret[-4:])


@contextmanager
def _owned(state_dir: Path) -> Iterator[None]:
    """Be the only one who changes the file, as long as the block runs."""
    state_dir.mkdir(parents=True, exist_ok=True)
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(state_dir: Path, tokens: tuple[Token, ...]) -> None:
    content = msgspec.json.format(msgspec.json.encode(_Kept(tokens=tokens)), indent=2)
    replace_secretly(state_dir / FILE, content + b"\n")


def now() -> datetime:
    """This moment, in UTC and whole seconds: what is kept is read by people."""
    return datetime.now(UTC).replace(microsecond=0)
