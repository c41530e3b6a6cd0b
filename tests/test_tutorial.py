"""The tutorial, typed by a new user: every command in its order, with real processes, and what it prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import plain_environment
from tests.support.walking import File, Shell, Typed, masked, missing, steps, with_this_python
from tests.test_docs import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.mark.timeout(900)
def test_a_new_user_walks_through_the_tutorial(tmp_path: Path) -> None:
    """What the page shows is what is printed, from the first policy to the first key."""
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    more = {"ROUTEBOOK_LISTEN": listen, "ROUTEBOOK_ADMIN": admin, "TZ": "UTC"}
    shell = Shell(tmp_path, with_this_python(plain_environment(more), Path(sys.executable).parent))
    walked = list(steps(TUTORIAL.read_text()))
    assert sum(isinstance(step, Typed) for step in walked) >= 30
    try:
        for step in walked:
            match step:
                case File(name, text):
                    (tmp_path / name).write_text(text)
                case Typed(command, prints, stays):
                    printed = shell.type(Typed(command.replace("127.0.0.1:8080", listen), prints, stays))
                    absent = missing(prints, printed)
                    assert absent is None, f"$ {command}\ndoes not print: {absent}\nbut:\n{printed}"
    finally:
        shell.close()


def test_what_is_not_printed_is_missed() -> None:
    """Lines are compared in their order; `...` stands for any number of them; numbers are another each time."""
    printed = "one 17\n\ntwo\nthree 0.5 s\nfour\n"
    assert missing(("one 3", "", "two", "three 12 ms", "four"), printed) is None
    assert missing(("...", "three 1 s", "..."), printed) is None
    assert missing(("one 1", "...", "four"), printed) is None
    assert missing((), printed) is None
    assert missing(("one 1", "two"), printed) == "two"
    assert missing(("...", "four", "three 1 s"), printed) == "three 1 s"
    assert missing(("one 1", "", "two"), printed) is not None
    assert masked("policy 498e890c75fa6c83 at 127.0.0.1:80") == masked("policy 97d2ccd2a07f2bd2 at 127.0.0.1:9999")
