"""Completion, asked of the shells themselves: every command, option and word of the parser is offered where it can stand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from routebook.cli.completing.command_tree import Command, command_tree
from routebook.cli.completion import SHELLS
from routebook.cli.main import COMMANDS, build_parser, main

PROGRAM = command_tree(build_parser())
EVERY = list(PROGRAM.walk())


def named(command: Command) -> str:
    """A command as the name of a test case."""
    return " ".join(command.path) or "routebook"


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The script for a shell."""
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


ASK = """
source {script}
ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _routebook; (IFS=$'\\t'; echo "${{COMPREPLY[*]}}"); }}
"""


def offers(lines: list[list[str]], folder: Path, capsys: pytest.CaptureFixture[str]) -> list[set[str]]:
    """What bash offers for the last word of each line, an empty one for a word that has not begun."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = folder / "completion.bash"
    script.write_text(printed("bash", capsys))
    asked = "\n".join("ask routebook " + shlex.join(line) for line in lines)
    done = subprocess.run(
        [bash, "--norc", "-c", ASK.format(script=shlex.quote(str(script))) + asked],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [set(filter(None, line.split("\t"))) for line in done.stdout.removesuffix("\n").split("\n")]


def test_the_tree_has_every_command() -> None:
    """What completes is the table of commands."""
    assert [command.path[0] for command in PROGRAM.below] == list(COMMANDS)


@pytest.mark.parametrize("command", EVERY, ids=named)
def test_bash_offers_what_the_parser_takes(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands below, options, and the words behind each option, in each of its spellings."""
    (tmp_path / "rules").mkdir()
    path = list(command.path)
    options = {flag for option in command.options for flag in option.flags}
    wanted = [([*path, "-"], options)]
    if command.below:
        wanted.append(([*path, ""], {each.path[-1] for each in command.below}))
    elif words := {word for values in command.arguments for word in values.words}:
        wanted.append(([*path, ""], words))
    elif any(values.file for values in command.arguments):
        wanted.append(([*path, "ru"], {"rules"}))
    for option in command.options:
        if option.values is not None:
            behind = set(option.values.words)
            begun, there = ("ru", {"rules"}) if option.values.file else ("", behind)
            wanted += [([*path, flag, begun], there) for flag in option.flags]
            wanted += [([*path, flag, "=", begun], there) for flag in option.flags if flag.startswith("--")]
    assert offers([line for line, _ in wanted], tmp_path, capsys) == [there for _, there in wanted]


ADMIN = {"--admin", "--admin-tokens-file", "--admin-tls-certificate", "--admin-tls-client-ca", "--admin-tls-key"}
"""What begins with `--adm`."""


def test_bash_goes_on_behind_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The value of an option is no command, and what has begun narrows what is offered."""
    asked = [
        ["serve", "--log", "error", "--adm"],
        ["admin", "token", "create", "--role", "re"],
        ["keys", "--note", "list", "cr"],
    ]
    assert offers(asked, tmp_path, capsys) == [ADMIN, {"read"}, {"create"}]


def test_bash_can_source_it_as_the_help_says(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`complete -p` names the function for the program."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = tmp_path / "it.bash"
    script.write_text(printed("bash", capsys))
    done = subprocess.run(
        [bash, "--norc", "-c", f"source {shlex.quote(str(script))} && complete -p routebook"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "complete -F _routebook routebook\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_can_read_it(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each shell that is installed finds no mistake in its script, and the script names every command and option."""
    text = printed(shell, capsys)
    for command in EVERY:
        assert all(each.path[-1] in text for each in command.below)
        assert all(flag.lstrip("-") in text for option in command.options for flag in option.flags)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed: its script is only looked through")
    script = tmp_path / "script"
    script.write_text(text)
    done = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_fish_offers_what_the_parser_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The same questions, where fish is installed."""
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    script = tmp_path / "routebook.fish"
    script.write_text(printed("fish", capsys))
    for begun, wanted in (
        ("routebook serve --log ", {"debug", "info", "warning", "error"}),
        ("routebook admin token create --role ", {"read", "operate"}),
        ("routebook ", set(COMMANDS)),
    ):
        done = subprocess.run(
            [fish, "-N", "-c", f"source {shlex.quote(str(script))}; complete -C {shlex.quote(begun)}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        assert {line.split("\t")[0] for line in done.stdout.splitlines()} == wanted
