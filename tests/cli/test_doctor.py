"""`routebook doctor` as people run it."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path

import pytest

from routebook.cli.main import main
from routebook.edge.doctor.finding import Verdict
from tests.support.certificates import written
from tests.support.ports import free_port
from tests.support.proxy import small_policy, write_policy
from tests.test_docs import ROOT, rows

AT_HOME = ["descriptors", "clock", "aiohttp", "parser", "state-dir", "file-system", "disk", "sqlite", "policy"]


def doctor(folder: Path, *more: str) -> int:
    """Run it on a policy and a state directory in this folder; its exit code."""
    return main(["doctor", "--policy", str(folder / "rules"), "--state-dir", str(folder / "var"), *more])


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, a line for each check, no escape sequences where nobody sees them."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        write_policy(tmp_path / "rules", small_policy(f"http://127.0.0.1:{upstream.getsockname()[1]}/v1"))
        code = doctor(tmp_path)
    said = capsys.readouterr().out
    lines = [line.split()[:2] for line in said.splitlines()]
    assert code == 0, said
    assert [check for _, check in lines] == [*AT_HOME, "dns", "connection"]
    assert {verdict for verdict, _ in lines} <= {"ok", "warn"} and "\x1b" not in said


def test_what_fails_is_in_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An upstream that nobody runs; offline it is left alone; a policy with errors, and a store that is away."""
    write_policy(tmp_path / "rules", small_policy(f"http://127.0.0.1:{free_port()}/v1"))
    assert doctor(tmp_path) == 1
    assert doctor(tmp_path, "--offline") == 0
    assert " dns " not in capsys.readouterr().out.splitlines()[-1]
    assert doctor(tmp_path, "--offline", "--shared-ledger", f"redis://127.0.0.1:{free_port()}/0") == 1
    write_policy(tmp_path / "rules", "version: 1\nrule: []\n")
    assert doctor(tmp_path, "--offline") == 1
    assert "`routebook check" in capsys.readouterr().out


def test_certificates_of_the_listeners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named as for `serve`: how long they last, who may read the key, and what keeps one from being shown."""
    write_policy(tmp_path / "rules", small_policy("http://127.0.0.1:9/v1"))
    made = written(tmp_path / "tls")
    assert doctor(tmp_path, "--offline", *made.options(), *made.options("admin-")) == 0
    said = capsys.readouterr().out
    assert (
        said.count("certificate    public listener: for localhost, 127.0.0.1, ") == 1 and "admin listener: for" in said
    )
    made.key.chmod(0o644)
    assert doctor(tmp_path, "--offline", *made.options()) == 1
    assert "may be read by everybody on this machine; `chmod o= " in capsys.readouterr().out
    made.renew(ends=datetime(2020, 1, 1))
    assert doctor(tmp_path, "--offline", *made.options()) == 1 and "it has ended" in capsys.readouterr().out
    made.certificate.write_text("nothing")
    assert doctor(tmp_path, "--offline", *made.options()) == 1 and "is not PEM" in capsys.readouterr().out
    assert doctor(tmp_path, "--offline", "--tls-key", str(made.key)) == 2


def test_strict_counts_what_is_worth_a_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--strict` the exit code is 0 exactly where every verdict is `ok`; as JSON, for programs."""
    write_policy(tmp_path / "rules", small_policy("http://127.0.0.1:9/v1"))
    code = doctor(tmp_path, "--offline", "--strict", "--format", "json")
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [each["check"] for each in checks] == AT_HOME
    assert all(set(each) == {"check", "verdict", "says", "advice", "about"} for each in checks)
    assert code == int({each["verdict"] for each in checks} != {Verdict.OK.value})


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, from the parser."""
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--format", "xml"])
    assert ended.value.code == 2


def test_the_page_explains_every_check() -> None:
    """The table of operating.md has a row for each check that can be printed."""
    assert [row[0].strip("`") for row in rows(ROOT / "docs" / "operating.md", "Doctor")] == [
        *AT_HOME[:-1],
        "certificate",
        "tls-key",
        "shared-ledger",
        "policy",
        "dns",
        "connection",
        "tls",
    ]
