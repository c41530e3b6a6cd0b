"""The files in deploy/ start the program with options that it has, from files that are there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from routebook.cli.main import ENVIRONMENT, build_parser

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def unit() -> dict[str, list[str]]:
    """The settings of the systemd unit, each with all its values."""
    settings: dict[str, list[str]] = {}
    for line in (DEPLOY / "routebook.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


def variables(text: str) -> set[str]:
    """The variables of ours that a text sets."""
    return set(re.findall(r"ROUTEBOOK_[A-Z_]+", text))


@pytest.mark.parametrize("setting", ["ExecStart", "ExecReload"])
def test_the_unit_runs_commands_that_exist(setting: str) -> None:
    """systemd starts and reloads with command lines that the program takes."""
    [line] = unit()[setting]
    program, command, *rest = shlex.split(line)
    args = build_parser([command]).parse_args([command, *rest])

    assert Path(program).name == "routebook"
    assert args.command == command


def test_the_unit_leaves_time_to_drain() -> None:
    """systemd does not kill before the program's own limit for draining has passed."""
    [line] = unit()["ExecStart"]
    args = build_parser(["serve"]).parse_args(shlex.split(line)[1:])
    assert float(unit()["TimeoutStopSec"][0]) > args.drain


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say but that the program is not installed here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: the unit is only read by the other tests")
    done = subprocess.run(
        [analyze, "verify", str(DEPLOY / "routebook.service")], capture_output=True, text=True, timeout=60, check=False
    )
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "routebook" in line and "is not executable" not in line
    ]
    assert not said


@pytest.mark.parametrize("name", ["routebook.service", "Dockerfile"])
def test_variables_are_those_that_are_read(name: str) -> None:
    """Every variable that a deployment sets is one that the program takes a default from."""
    known = {f"ROUTEBOOK_{name.upper()}" for name in ENVIRONMENT}
    assert variables((DEPLOY / name).read_text()) <= known


def test_the_image_is_made_of_files_that_are_there() -> None:
    """What the Dockerfile copies from the checkout exists, and holds all that the package is built from."""
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert not [name for name in copied if not (ROOT / name).exists()]
    assert {"pyproject.toml", "README.md", "proxy", "schemas", "rules"} <= set(copied)


def test_compose_serves_with_options_that_exist() -> None:
    """The compose file starts the image with a command line that the program takes, and from the host's network."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["routebook"]
    args = build_parser(["serve"]).parse_args(service["command"])

    assert args.simulate
    # while callers are told apart by their address alone, a network of its own would make all of them strangers
    assert service["network_mode"] == "host"
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
