"""Access at the admin listener: open, closed, and closed for good; what cannot be checked opens nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routebook.edge.admin import tokens
from routebook.edge.admin.access import ANYBODY, Access
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Role
from routebook.edge.processes.state import digest_key
from tests.support.admin import make_token

LOCAL = "rba_local"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def access(
    state_dir: Path, handed_over: Path | None = None, on_loopback: bool = True, clock: Clock | None = None
) -> Access:
    """Access to the listener of this state directory."""
    return Access(state_dir, handed_over, on_loopback, digest_key(state_dir), LOCAL, clock or Clock())


def code(checked: Access, needed: Role, *presented: str) -> str:
    """The code of a refusal; who acts where there is none."""
    try:
        return checked.admit(presented, needed)
    except Refused as refused:
        return refused.code


def test_everybody_may_do_everything_while_there_is_no_token(tmp_path: Path) -> None:
    """On a loopback address; a token that is presented must be right all the same."""
    checked = access(tmp_path)
    assert not checked.has_tokens()
    assert [code(checked, role) for role in Role] == [ANYBODY] * 3
    assert code(checked, Role.READ, "Bearer wrong") == "admin.unknown-token"
    assert code(checked, Role.OPERATE, f"Bearer {LOCAL}") == "local"


def test_an_address_that_others_reach_needs_a_token(tmp_path: Path) -> None:
    """Also while there is none."""
    checked = access(tmp_path, on_loopback=False)
    assert code(checked, Role.READ) == code(checked, Role.OPERATE) == "admin.no-token"
    assert code(checked, Role.ANYONE) == ANYBODY


def test_a_token_made_and_revoked_counts_from_the_next_request_on(tmp_path: Path) -> None:
    """Without a restart or a reload."""
    checked = access(tmp_path)
    assert code(checked, Role.OPERATE) == ANYBODY
    secret, identity = make_token(tmp_path)
    assert code(checked, Role.OPERATE) == "admin.no-token"
    assert code(checked, Role.OPERATE, f"Bearer {secret}") == identity
    tokens.revoke(tmp_path, identity, NOW)
    assert code(checked, Role.OPERATE, f"Bearer {secret}") == "admin.revoked-token"


def test_the_door_does_not_open_again(tmp_path: Path) -> None:
    """Neither when the last token is revoked nor when the file of tokens is removed under the running service."""
    checked = access(tmp_path)
    _, identity = make_token(tmp_path)
    assert code(checked, Role.READ) == "admin.no-token"
    tokens.revoke(tmp_path, identity, NOW)
    assert code(checked, Role.READ) == "admin.no-token"
    (tmp_path / tokens.FILE).unlink()
    assert code(checked, Role.READ) == "admin.no-token"
    assert code(checked, Role.READ, f"Bearer {LOCAL}") == "local"


def test_a_token_ends_at_its_time(tmp_path: Path) -> None:
    """To the second."""
    clock = Clock()
    secret, token = tokens.create(tmp_path, Role.READ, timedelta(hours=1), "", NOW)
    checked = access(tmp_path, clock=clock)
    clock.now = NOW + timedelta(minutes=59, seconds=59)
    assert code(checked, Role.READ, f"Bearer {secret}") == token.id
    clock.now = NOW + timedelta(hours=1)
    assert code(checked, Role.READ, f"Bearer {secret}") == "admin.expired-token"


def test_roles_include_those_below(tmp_path: Path) -> None:
    """Who may operate may read, and not the other way round."""
    read, _ = make_token(tmp_path, Role.READ)
    operate, _ = make_token(tmp_path, Role.OPERATE)
    checked = access(tmp_path)
    assert code(checked, Role.OPERATE, f"Bearer {read}") == "admin.wrong-role"
    assert not code(checked, Role.READ, f"Bearer {operate}").startswith("admin.")


@pytest.mark.parametrize("change", [str.swapcase, lambda token: token[:-1], lambda token: token + "x", str.lower])
def test_a_token_is_compared_whole(tmp_path: Path, change: object) -> None:
    """Neither another case nor all but one character of it will do."""
    secret, _ = make_token(tmp_path)
    checked = access(tmp_path)
    assert callable(change)
    assert code(checked, Role.READ, f"Bearer {change(secret)}") == "admin.unknown-token"
    assert not code(checked, Role.READ, f"bearer   {secret} ").startswith("admin.")


@pytest.mark.parametrize(
    "presented", ["", "Bearer", "Bearer ", "Bearer \udcff\udcfe", "\udcff", "Bearer a b c", "Basic eDp5"]
)
def test_what_is_no_token_is_refused(tmp_path: Path, presented: str) -> None:
    """Also bytes that are no text (as the HTTP library hands them over)."""
    make_token(tmp_path)
    assert code(access(tmp_path), Role.READ, presented) == "admin.unknown-token"


def test_a_digest_is_no_token(tmp_path: Path) -> None:
    """Whoever reads the file of digests cannot get in with what stands there, nor with the key of another directory."""
    secret, _ = make_token(tmp_path)
    (kept,) = tokens.read_kept(tmp_path / tokens.FILE)
    assert code(access(tmp_path), Role.READ, f"Bearer {kept.digest}") == "admin.unknown-token"
    (tmp_path / "digest.key").write_bytes(b"z" * 32)
    assert code(access(tmp_path), Role.READ, f"Bearer {secret}") == "admin.unknown-token"


def test_tokens_that_cannot_be_read_open_nothing(tmp_path: Path) -> None:
    """Nobody is let in, valid token or not; the service's own commands are, for their token stands elsewhere."""
    secret, identity = make_token(tmp_path)
    checked = access(tmp_path)
    assert code(checked, Role.READ, f"Bearer {secret}") == identity
    good = (tmp_path / tokens.FILE).read_bytes()
    (tmp_path / tokens.FILE).write_bytes(b"{")
    assert code(checked, Role.READ) == code(checked, Role.READ, f"Bearer {secret}") == "admin.tokens-unreadable"
    assert code(checked, Role.READ, f"Bearer {LOCAL}") == "local"
    (tmp_path / tokens.FILE).write_bytes(good)
    assert code(checked, Role.READ, f"Bearer {secret}") == identity


def test_a_file_that_is_handed_over_closes_the_door_and_is_read_again(tmp_path: Path) -> None:
    """Tokens may be exchanged under the running service; an empty or missing file opens nothing."""
    file = tmp_path / "tokens"
    file.write_text("# none yet\n")
    checked = access(tmp_path, file)
    assert code(checked, Role.READ) == "admin.no-token"
    file.write_text(f"read {'r' * 40}\n")
    assert code(checked, Role.READ, f"Bearer {'r' * 40}") == "line-1"
    file.write_text(f"operate {'o' * 40}\n")
    assert code(checked, Role.READ, f"Bearer {'r' * 40}") == "admin.unknown-token"
    assert code(checked, Role.OPERATE, f"Bearer {'o' * 40}") == "line-1"
    file.unlink()
    assert code(checked, Role.OPERATE, f"Bearer {'o' * 40}") == "admin.tokens-unreadable"
