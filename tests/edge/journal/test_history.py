"""The history of policies: what stands in it after reloads, and what Git says of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from routebook.edge.journal import history
from routebook.edge.journal.history import Change, commit_of
from tests.support.proxy import running_proxy, small_policy

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git on PATH")
NOWHERE = "http://127.0.0.1:9/v1"


def git(folder: Path, *arguments: str) -> None:
    """Run Git in a folder, as somebody with a name."""
    who = ["-c", "user.name=Ada <b>Operator</b>", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


async def test_what_comes_into_force_is_written_down(tmp_path: Path) -> None:
    """The start, a policy that is taken, one that is rejected; and nothing where nothing changed."""
    policy = small_policy(NOWHERE)
    async with running_proxy(tmp_path, policy) as proxy:
        await proxy.get_admin("/reload", "POST")
        proxy.write_policy(policy.replace("quality: 0.5", "quality: 0.6"))
        await proxy.get_admin("/reload", "POST")
        proxy.write_policy(policy.replace("rules:", "rulez:"))
        await proxy.get_admin("/reload", "POST")
        changes = history.read(proxy.state_dir)
    assert [each.result for each in changes] == ["rejected", "swapped", "began"]
    rejected, swapped, began = changes
    assert swapped.before == began.digest and rejected.digest == swapped.digest != began.digest
    assert rejected.problems >= 1 and rejected.first


@needs_git
def test_git_says_who_changed_these_very_files(tmp_path: Path) -> None:
    """The last commit of the policy's files; not one of other files, and none where a file is not as it was committed."""
    rules = tmp_path / "repository" / "rules"
    rules.mkdir(parents=True)
    (rules / "policy.yaml").write_text("version: 1\n")
    git(tmp_path / "repository", "init", "-q")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "-q", "-m", "Send batches home")
    (tmp_path / "repository" / "other").write_text("x")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "-q", "-m", "Something else")
    found = commit_of(rules, [("policy.yaml", "version: 1\n")])
    assert found is not None and found.subject == "Send batches home" and "Ada" in found.author
    assert commit_of(rules, [("policy.yaml", "version: 2\n")]) is None
    assert commit_of(rules, [("policy.yaml", "version: 1\n"), ("new.yaml", "")]) is None
    assert commit_of(tmp_path, [("policy.yaml", "version: 1\n")]) is None


@needs_git
def test_nothing_that_a_work_tree_configures_runs(tmp_path: Path) -> None:
    """A repository's own configuration names programs; none of them is begun."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "policy.yaml").write_text("version: 1\n")
    git(rules, "init", "-q")
    git(rules, "add", ".")
    git(rules, "commit", "-q", "-m", "one")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o700)
    for name in ("core.fsmonitor", "core.pager", "pager.log", "gpg.program", "diff.external", "core.sshCommand"):
        git(rules, "config", name, str(trap))
    git(rules, "config", "log.showSignature", "true")
    assert commit_of(rules, [("policy.yaml", "version: 1\n")]) is not None
    assert not (tmp_path / "sprung").exists()


def test_a_line_that_was_torn_is_passed_over(tmp_path: Path) -> None:
    """Whatever was written after it is read all the same."""
    history.note(tmp_path, Change(1.0, "began", "a"))
    with open(tmp_path / history.FILE, "ab") as file:
        file.write(b'{"at": 2, "resu\n')
    history.note(tmp_path, Change(3.0, "swapped", "b", "a"))
    assert [each.digest for each in history.read(tmp_path)] == ["b", "a"]
    assert history.read(tmp_path / "nowhere") == []
