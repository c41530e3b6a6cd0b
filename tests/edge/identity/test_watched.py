"""Files that somebody else replaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from routebook.edge.identity.watched import LOOK_SECONDS, Unreadable, Watched


def words(content: bytes) -> str:
    """The content of these tests' files: anything but `broken`."""
    if content == b"broken":
        raise ValueError(content)
    return content.decode()


def replace(path: Path, content: str) -> None:
    """Put a new file in place of an old one."""
    beside = path.with_suffix(".new")
    beside.write_text(content)
    beside.replace(path)


def test_a_change_is_seen_with_the_next_look(tmp_path: Path) -> None:
    """Not before `LOOK_SECONDS` are over, and always then: new, replaced, written over, gone."""
    path = tmp_path / "file"
    file, now = Watched(path, words, "nothing", 100), 0.0
    assert file.latest(now) == "nothing"
    for content in ("one", "two", "six"):
        replace(path, content)
        assert file.latest(now) != content
        now += LOOK_SECONDS
        assert file.latest(now) == content
    path.write_text("other")
    assert file.latest(now + LOOK_SECONDS) == "other"
    path.unlink()
    assert file.latest(now + 2 * LOOK_SECONDS) == "nothing"


@pytest.mark.parametrize("content", ["broken", "x" * 101])
def test_nothing_old_stands_in_for_what_cannot_be_read(tmp_path: Path, content: str) -> None:
    """A file that cannot be understood, or is too large, says nothing, until it can be read again."""
    path = tmp_path / "file"
    path.write_text("one")
    file = Watched(path, words, "nothing", 100)
    assert file.latest(0) == "one"
    replace(path, content)
    for now in (1, 2):
        with pytest.raises(Unreadable):
            file.latest(now)
    replace(path, "two")
    assert file.latest(3) == "two"


def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    """Here a folder stands in its way, and goes."""
    path = tmp_path / "file"
    path.mkdir()
    file = Watched(path, words, "nothing", 100)
    with pytest.raises(Unreadable):
        file.latest(0)
    os.rmdir(path)
    path.write_text("one")
    assert file.latest(1) == "one"
