"""Completion for fish, each word with what it means."""

from __future__ import annotations

from collections.abc import Iterator

from routebook.cli.completing.command_tree import Command, Option, Values

_SCRIPT = """\
# fish completion for routebook, made by `routebook completion fish`

# whether the command that is being written is this one
function __routebook_at
    set -l path
    for word in (commandline -opc)[2..]
        contains -- "$path$word" $__routebook_commands; and set path "$path$word "
    end
    test (string trim -- "$path") = "$argv"
end

set -g __routebook_commands {commands}
complete -c routebook -f
{lines}
"""


def script(program: Command) -> str:
    """The script, to be sourced, or put into `~/.config/fish/completions/routebook.fish`."""
    commands = tuple(program.walk())
    names = " ".join(_quoted(" ".join(each.path)) for each in commands if each.path)
    return _SCRIPT.format(commands=names, lines="\n".join(line for each in commands for line in _lines(each)))


def _lines(command: Command) -> Iterator[str]:
    """What may stand behind one command."""
    at = f"complete -c routebook -n {_quoted('__routebook_at ' + _quoted(' '.join(command.path)))}"
    for each in command.below:
        yield f"{at} -a {each.path[-1]} -d {_quoted(each.summary)}"
    for option in command.options:
        yield f"{at} {_option(option)}"
    if not command.below:
        for values in command.arguments:
            yield from (f"{at} -a {_quoted(word)}" for word in values.words)
        if any(values.file for values in command.arguments):
            yield f"{at} -F"


def _option(option: Option) -> str:
    flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    return f"{flags}{_behind(option.values)} -d {_quoted(option.help)}"


def _behind(values: Values | None) -> str:
    if values is None:
        return ""
    if values.words:
        return f" -x -a {_quoted(' '.join(values.words))}"
    return " -r -F" if values.file else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
