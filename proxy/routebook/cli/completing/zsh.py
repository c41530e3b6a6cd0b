"""Completion for zsh, each word with what it means."""

from __future__ import annotations

import re

from routebook.cli.completing.command_tree import Command, Option, Values

_SCRIPT = """\
#compdef routebook
# zsh completion for routebook, made by `routebook completion zsh`

_routebook() {{
    local context state state_descr line curcontext="$curcontext"
    typeset -A opt_args
    _routebook__
}}
{functions}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _routebook "$@"
else
    compdef _routebook routebook
fi
"""


def script(program: Command) -> str:
    """The script, to be put into a folder of `$fpath` as `_routebook`, or sourced after `compinit`."""
    return _SCRIPT.format(functions="".join(map(_function, program.walk())))


def _function(command: Command) -> str:
    """What one command takes, and where the way goes on."""
    specs = [_option(option) for option in command.options]
    dispatch = ""
    if command.below:
        specs += [_quoted("1: :->command"), _quoted("*:: :->rest")]
        listed = "\n            ".join(
            _quoted(f"{_plain(each.path[-1])}:{_plain(each.summary)}") for each in command.below
        )
        cases = "\n".join(f"            {each.path[-1]}) {_name(each)} ;;" for each in command.below)
        dispatch = f"""
    case $state in
        command)
            local -a commands=(
            {listed}
            )
            _describe command commands ;;
        rest)
            case $line[1] in
{cases}
            esac ;;
    esac"""
    else:
        specs += [_quoted(f"*: :{_action(values)}") for values in command.arguments[-1:]]
        specs[len(command.options) : len(command.options)] = [
            _quoted(f"{place}: :{_action(values)}") for place, values in enumerate(command.arguments[:-1], 1)
        ]
    lines = " \\\n        ".join(["_arguments -C -s", *specs])
    return f"\n{_name(command)}() {{\n    {lines}{dispatch}\n}}\n"


def _option(option: Option) -> str:
    """`(-h --help)'{-h,--help}'[what it does]`, with what stands behind it."""
    flags = option.flags
    spelt = flags[0] if len(flags) == 1 else "{" + ",".join(flags) + "}"
    others = "" if len(flags) == 1 else _quoted(f"({' '.join(flags)})")
    behind = "" if option.values is None else f": :{_action(option.values)}"
    return f"{others}{spelt}{_quoted(f'[{_plain(option.help)}]{behind}')}"


def _action(values: Values) -> str:
    return f"({' '.join(values.words)})" if values.words else "_files" if values.file else " "


def _name(command: Command) -> str:
    return "_routebook__" + "_".join(re.sub(r"\W", "_", word) for word in command.path)


def _plain(text: str) -> str:
    """A text in which nothing has a meaning of its own for `_arguments` and `_describe`."""
    return re.sub(r"([\\\[\]:])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
