"""Tokens of the admin listener: made, kept, handed over, taken back, from the command line as people do it."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from routebook.cli.main import main as routebook
from routebook.edge.admin import tokens
from routebook.edge.admin.route import Role
from routebook.edge.admin.tokens import TokensUnreadable

KEY = b"k" * 32


def test_a_token_is_shown_once_and_kept_as_a_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is the token alone, for a shell's `$(...)`; the file is private and does not hold it."""
    words = ["--state-dir", str(tmp_path / "var"), "--role", "read", "--note", "prometheus"]
    assert routebook(["admin", "token", "create", *words]) == 0
    secret = capsys.readouterr().out.strip()
    file = tmp_path / "var" / tokens.FILE

    assert len(secret) >= tokens.SHORTEST and secret.isprintable() and " " not in secret
    assert secret not in file.read_text() and secret[4:-4] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE((tmp_path / "var" / "digest.key").stat().st_mode) == 0o600
    assert routebook(["admin", "token", "list", "--state-dir", str(tmp_path / "var"), "--format", "json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["role"], row["last_four"], row["note"], row["state"]) == ("read", secret[-4:], "prometheus", "valid")
    assert "digest" not in row


def test_a_list_for_people_shows_no_terminal_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A note may come from a stranger."""
    tokens.create(tmp_path, Role.READ, None, "a\x1b[31mb", tokens.now())
    assert routebook(["admin", "token", "list", "--state-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "a\\x1b[31mb" in shown


@pytest.mark.parametrize("wrong", ["90", "soon", "-1d", "0s", "99999999999d"])
def test_a_time_that_is_none_is_a_wrong_command_line(
    tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no token is made."""
    words = ["admin", "token", "create", "--state-dir", str(tmp_path), "--role", "read", f"--expires={wrong}"]
    assert routebook(words) == 2
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / tokens.FILE).exists()


def test_revoking_names_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the keyboard must not look like a revocation."""
    assert routebook(["admin", "token", "revoke", "0badc0de", "--state-dir", str(tmp_path)]) == 1
    assert "has no token `0badc0de`" in capsys.readouterr().err


def test_a_revocation_keeps_its_first_time(tmp_path: Path) -> None:
    """Revoking again changes nothing."""
    _, token = tokens.create(tmp_path, Role.READ, None, "", tokens.now())
    first = tokens.revoke(tmp_path, token.id, tokens.now())
    assert first is not None and first.state(tokens.now()) == "revoked"
    assert tokens.revoke(tmp_path, token.id, tokens.now() + timedelta(days=1)) == first


def test_tokens_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Commands that run beside each other do not overwrite each other's tokens."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: tokens.create(tmp_path, Role.READ, None, "", tokens.now())[1].id, range(24)))
    assert sorted(token.id for token in tokens.read_kept(tmp_path / tokens.FILE)) == sorted(made)
    assert [path.name for path in tmp_path.glob("*.new")] == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tokens": [{"id": 1}]}', "\udcff"])
def test_a_damaged_file_is_said_and_not_overwritten(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Making a token must not take the others away."""
    file = tmp_path / tokens.FILE
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = file.read_bytes()
    assert routebook(["admin", "token", "create", "--state-dir", str(tmp_path), "--role", "read"]) == 1
    assert "is no file of admin tokens" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_tokens_are_handed_over_as_lines(tmp_path: Path) -> None:
    """Comments and empty lines are passed over; the digest is that of the token as it is presented."""
    file = tmp_path / "tokens"
    file.write_text(f"# for prometheus\nread {'r' * 32}\n\n  operate\t{'o' * 40}  \n")
    read, operate = tokens.read_handed_over(file, KEY)
    assert (read.role, read.id, operate.role, operate.id) == (Role.READ, "line-2", Role.OPERATE, "line-4")
    assert operate.digest == tokens.digest_of("o" * 40, KEY)


@pytest.mark.parametrize(
    "line", ["read", f"write {'x' * 40}", "x" * 40, f"read {'x' * 40} y", f"read {'x' * 31}", f"read {'é' * 40}"]
)
def test_a_line_that_is_no_token_is_named_without_its_words(tmp_path: Path, line: str) -> None:
    """The message says where, and never what stands there."""
    file = tmp_path / "tokens"
    file.write_text(f"# one\n{line}\n")
    with pytest.raises(TokensUnreadable) as said:
        tokens.read_handed_over(file, KEY)
    assert f"{file}:2: " in str(said.value)
    assert "xxx" not in str(said.value) and "ééé" not in str(said.value)
