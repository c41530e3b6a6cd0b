"""`routebook keys`: what it prints where, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from routebook.edge.identity.keys import is_whole
from tests.support.processes import run_command


def keys(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on a state directory."""
    return run_command("keys", *arguments, "--state-dir", str(folder))


def test_the_key_alone_is_printed(tmp_path: Path) -> None:
    """On standard output, for a script to take; all that people want to know is on standard error, without the key."""
    done = keys(tmp_path, "create", "web", "--expires", "90d", "--note", "shop, staging")
    key = done.stdout.strip()
    assert done.returncode == 0 and is_whole(key) and done.stdout == f"{key}\n"
    assert "`web`" in done.stderr and "valid until" in done.stderr and key not in done.stderr
    listed = keys(tmp_path, "list").stdout
    assert key not in listed and f"...{key[-4:]}" in listed and "shop, staging" in listed and "valid" in listed


def test_programs_get_json(tmp_path: Path) -> None:
    """The same content; the key once, with its making."""
    made = json.loads(keys(tmp_path, "create", "web", "--expires", "1h", "--format", "json").stdout)
    assert made["expires"] - made["created"] == 3600 and is_whole(made.pop("key"))
    assert json.loads(keys(tmp_path, "list", "--format", "json").stdout) == [made]
    successor = json.loads(keys(tmp_path, "rotate", made["id"], "--format", "json").stdout)
    assert successor["replaces"]["id"] == made["id"] and is_whole(successor["key"])
    revoked = json.loads(keys(tmp_path, "revoke", made["id"], "--format", "json").stdout)
    assert (revoked["id"], revoked["state"]) == (made["id"], "revoked")


def test_a_digest_for_the_policy_is_not_stored(tmp_path: Path) -> None:
    """One place for each key: what stands in the policy is revoked there."""
    done = keys(tmp_path, "create", "web", "--print-digest")
    key, line = done.stdout.splitlines()
    assert is_whole(key) and line.startswith('web: {keys: ["hmac-sha256:') and key not in line
    assert json.loads(keys(tmp_path, "list", "--format", "json").stdout) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "two words"),
        ("create", "anonymous"),
        ("create", "web", "--expires", "soon"),
        ("create", "web", "--expires", "0s"),
        ("create", "web", "--overlap", "1h"),
        ("create", "web", "--print-digest", "--expires", "1h"),
        ("list", "web"),
        ("list", "--note", "x"),
        ("rotate",),
        ("rotate", "x", "--note", "y"),
        ("revoke", "x", "--expires", "1h"),
        ("make", "web"),
        (),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """With exit code 2, before anything is done."""
    done = keys(tmp_path, *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """With exit code 1: no directory, no such key, no store. A key that is given for an id is not repeated."""
    assert "there is no" in keys(tmp_path / "nowhere", "list").stderr
    assert not (tmp_path / "nowhere").exists()
    key = keys(tmp_path, "create", "web").stdout.strip()
    for arguments in (("revoke", "k1"), ("rotate", "k1"), ("revoke", key[:-1] + "_")):
        done = keys(tmp_path, *arguments)
        assert done.returncode == 1 and "there is no" in done.stderr and key[:20] not in done.stderr
    (tmp_path / "keys.json").write_text("{")
    done = keys(tmp_path, "create", "web")
    assert done.returncode == 1 and "keys.json" in done.stderr and done.stdout == ""


def test_a_key_that_was_found_somewhere_can_be_revoked(tmp_path: Path) -> None:
    """By itself: its id need not be looked up first."""
    key = keys(tmp_path, "create", "web").stdout.strip()
    done = keys(tmp_path, "revoke", key)
    assert done.returncode == 0 and key not in done.stdout + done.stderr
    assert "revoked" in keys(tmp_path, "list").stdout
