"""Who may do what at the admin listener. It fails closed: what cannot be checked opens nothing.

While there is no token and the listener is on a loopback address, whoever stands on this machine may do everything. As
soon as there has been one, or where the listener can be reached from elsewhere, a token is needed. A token that is
presented must be right in any case. In place of one, a browser presents the session that was opened with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from routebook.edge.admin import tokens
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Role
from routebook.edge.admin.sessions import Sessions
from routebook.edge.admin.tokens import Token, TokensUnreadable

ANYBODY: Final = "anybody on this machine"
"""Who acts where no token is needed."""


@dataclass(slots=True)
class _Watched:
    """A file that is read again when it has changed, so that a revocation holds from the next request on."""

    path: Path
    read: Callable[[Path], tuple[Token, ...]]
    stamp: tuple[int, ...] | None = None
    found: dict[str, Token] = field(default_factory=dict)

    def by_digest(self) -> dict[str, Token]:
        """The tokens as the file has them now; raises TokensUnreadable."""
        stamp = self._stamp()
        if stamp != self.stamp:
            self.found = {token.digest: token for token in self.read(self.path)}
            self.stamp = stamp
        return self.found

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise TokensUnreadable(f"`{self.path}` cannot be read ({(error.strerror or '').lower()})") from error
        return status.st_mtime_ns, status.st_size, status.st_ino


class Access:
    """Checks tokens. `local` is the running service's own, which may operate and is never asked for.

    Where a client's certificate is wanted, the local token alone does without: commands on this machine have none.
    """

    def __init__(
        self,
        state_dir: Path,
        handed_over: Path | None,
        on_loopback: bool,
        key: bytes,
        local: str,
        clock: Callable[[], datetime] = tokens.now,
        wants_certificate: bool = False,
    ) -> None:
        self._key = key
        self._local = tokens.digest_of(local, key)
        self._on_loopback = on_loopback
        self._closed = not on_loopback
        self._clock = clock
        self._wants_certificate = wants_certificate
        self._sessions = Sessions()
        self._files = [_Watched(state_dir / tokens.FILE, tokens.read_kept)]
        if handed_over is not None:
            self._files.append(_Watched(handed_over, lambda path: tokens.read_handed_over(path, key)))
            self._closed = True

    def __repr__(self) -> str:
        return f"<Access {'by token' if self._closed else 'for anybody on this machine'}>"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the listener."""
        return self._on_loopback

    def has_tokens(self) -> bool:
        """Whether any token was ever made or handed over, valid or not; raises TokensUnreadable."""
        return bool({digest for file in self._files for digest in file.by_digest()})

    def admit(self, presented: Sequence[str], needed: Role, session: str | None = None, certified: bool = False) -> str:
        """Who acts (the id of a token), given every `Authorization` of a request, or else a session, and whether a
        certificate was shown; raises Refused."""
        if needed is Role.ANYONE:
            return ANYBODY
        opened_with = None if presented or session is None else self._sessions.token_of(session, self._clock())
        if opened_with is not None:
            if opened_with != self._local:
                self._must_be_certified(certified)
            return self._by_digest(opened_with, needed)
        if len(presented) > 1:
            raise Refused("admin.unknown-token", "the header `Authorization` stands there more than once")
        scheme, _, secret = presented[0].strip().partition(" ") if presented else ("", "", "")
        if scheme.lower() == "bearer" and tokens.digest_of(secret.strip(), self._key) == self._local:
            return "local"
        self._must_be_certified(certified)
        known = self._known()
        if not presented:
            if self._closed:
                raise Refused("admin.no-token", f"a token that may `{needed.value}` is needed: `Authorization: Bearer`")
            return ANYBODY
        if scheme.lower() != "bearer":
            raise Refused("admin.unknown-token", "the header `Authorization` holds no `Bearer` token")
        return _checked(known.get(tokens.digest_of(secret.strip(), self._key)), needed, self._clock())

    def may(self, presented: Sequence[str], needed: Role, session: str | None = None, certified: bool = False) -> bool:
        """Whether whoever presents this would be admitted."""
        try:
            self.admit(presented, needed, session, certified)
        except Refused:
            return False
        return True

    def open_session(self, secret: str) -> tuple[str, str]:
        """Who presents this token, and a session for it; raises Refused where it does not even read."""
        digest = tokens.digest_of(secret.strip(), self._key)
        who = self._by_digest(digest, Role.READ)
        return who, self._sessions.open(digest, self._clock())

    def close_session(self, session: str) -> None:
        """End a session, if it is one."""
        self._sessions.close(session)

    def _must_be_certified(self, certified: bool) -> None:
        if self._wants_certificate and not certified:
            raise Refused("admin.no-certificate", "a certificate of a client of the admin listener is needed")

    def _by_digest(self, digest: str, needed: Role) -> str:
        if digest == self._local:
            return "local"
        return _checked(self._known().get(digest), needed, self._clock())

    def _known(self) -> dict[str, Token]:
        try:
            known = {digest: token for file in self._files for digest, token in file.by_digest().items()}
        except TokensUnreadable as error:
            raise Refused(
                "admin.tokens-unreadable", "the service cannot read its admin tokens; its log says why"
            ) from error
        # Once asked for, always asked for: a file that is removed must not open the door.
        self._closed = self._closed or bool(known)
        return known


def _checked(token: Token | None, needed: Role, now: datetime) -> str:
    if token is None:
        raise Refused("admin.unknown-token", "this is no admin token of this service")
    match token.state(now):
        case "revoked":
            raise Refused("admin.revoked-token", f"the token `{token.id}` was revoked")
        case "expired":
            raise Refused("admin.expired-token", f"the token `{token.id}` has expired")
    if not token.role.includes(needed):
        raise Refused(
            "admin.wrong-role", f"the token `{token.id}` may `{token.role.value}`; this needs `{needed.value}`"
        )
    return token.id
