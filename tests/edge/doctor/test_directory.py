"""The state directory: real files, real databases, some of them damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from routebook.edge.doctor import directory
from routebook.edge.doctor.finding import Finding, Verdict
from tests.support.proxy import running_proxy, small_policy


def by_file(state_dir: Path) -> dict[str | None, Finding]:
    """What was found of each database, and (None) of SQLite itself."""
    return {each.about: each for each in directory.databases(state_dir)}


async def test_a_running_service_stands_well(tmp_path: Path) -> None:
    """Its secrets are its own, its databases sound; looked at while it writes them, and again when it is gone."""
    async with running_proxy(tmp_path, small_policy("http://127.0.0.1:9/v1")) as proxy:
        during = [*directory.state_directory(proxy.state_dir), *directory.databases(proxy.state_dir)]
    after = [*directory.state_directory(proxy.state_dir), *directory.databases(proxy.state_dir)]
    assert {each.verdict for each in during + after} == {Verdict.OK}, during + after
    assert {each.about for each in after} == {None, "ledger.sqlite", "index.sqlite"}


def test_secrets_that_others_may_read_fail(tmp_path: Path) -> None:
    """Each is named, with what to do."""
    for name in directory.SECRETS:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    assert [each.verdict for each in directory.state_directory(tmp_path)] == [Verdict.OK]
    (tmp_path / "keys.pepper").chmod(0o640)
    [found] = directory.state_directory(tmp_path)
    assert found.verdict is Verdict.FAIL and "keys.pepper" in found.says and "chmod 600" in str(found.advice)


def test_one_that_is_not_there_can_be_made(tmp_path: Path) -> None:
    """Below a directory, yes; below a file, no."""
    [there] = directory.state_directory(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    [not_there] = directory.state_directory(tmp_path / "file" / "b")
    assert (there.verdict, not_there.verdict) == (Verdict.OK, Verdict.FAIL)


def filled(path: Path, mode: str) -> None:
    """A database of some pages in this mode of journal."""
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA journal_mode = {mode}")
    database.execute("CREATE TABLE things (what TEXT)")
    database.execute("CREATE INDEX of_things ON things (what)")
    database.executemany("INSERT INTO things VALUES (?)", [(str(number) * 50,) for number in range(2000)])
    database.commit()
    database.close()


def test_damage_is_found(tmp_path: Path) -> None:
    """A page that was overwritten, and a file that is no database."""
    for name in ("ledger.sqlite", "index.sqlite"):
        filled(tmp_path / name, "wal")
    assert {each.verdict for each in by_file(tmp_path).values()} == {Verdict.OK}
    with open(tmp_path / "ledger.sqlite", "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1000)
    found = by_file(tmp_path)
    assert found["ledger.sqlite"].verdict is Verdict.FAIL and "backup" in str(found["ledger.sqlite"].advice)
    assert found["index.sqlite"].verdict is Verdict.FAIL and "built again" in str(found["index.sqlite"].advice)


def test_another_mode_is_worth_a_look(tmp_path: Path) -> None:
    """A database that was copied by other tools may have lost its write-ahead log."""
    filled(tmp_path / "ledger.sqlite", "delete")
    assert by_file(tmp_path)["ledger.sqlite"].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("free", "files", "verdict"),
    [
        (1 << 40, 1 << 20, Verdict.OK),
        (1 << 40, None, Verdict.OK),
        (1 << 29, None, Verdict.WARN),
        (1 << 20, None, Verdict.FAIL),
        (1 << 40, 3, Verdict.FAIL),
    ],
)
def test_disks(free: int, files: int | None, verdict: Verdict) -> None:
    """Bytes and files both run out."""
    assert directory.judged_disk(free, files).verdict is verdict


def test_the_disk_of_a_directory_that_is_not_there_is_looked_at(tmp_path: Path) -> None:
    """It is the one where it will be."""
    assert "GiB free" in directory.disk(tmp_path / "a" / "b").says


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /srv rw shared:5 - tmpfs tmpfs rw
31 30 0:26 / /srv/with\\040space rw - nfs4 files:/export rw
32 22 0:27 / /srv rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/lib", "ext4"), ("/srvs", "ext4"), ("/srv/x", "xfs"), ("/srv/with space/var", "nfs4"), ("/", "ext4")],
)
def test_the_mount_that_holds_a_path(path: str, kind: str) -> None:
    """The deepest one, of two at one place the later; names with spaces are written in octal."""
    assert directory._kind_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(("kind", "verdict"), [("ext4", Verdict.OK), ("nfs4", Verdict.FAIL), ("overlay", Verdict.WARN)])
def test_file_systems(kind: str, verdict: Verdict) -> None:
    """A network's is no place for SQLite, a container's own is gone with it."""
    assert directory.judged_file_system(kind).verdict is verdict
