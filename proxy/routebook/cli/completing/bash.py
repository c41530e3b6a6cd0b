"""Completion for bash, from 4.0 on; nothing else is needed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from routebook.cli.completing.command_tree import Command, Values

_SCRIPT = """\
# bash completion for routebook, made by `routebook completion bash`

_routebook_below() {{
    case "$1" in
{below}
    esac
}}

_routebook_options() {{
    case "$1" in
{options}
    esac
}}

# what stands behind an option: words, @file, @free, or nothing for a switch
_routebook_values() {{
    case "$1 $2" in
{values}
    esac
}}

# what stands behind a command
_routebook_arguments() {{
    case "$1" in
{arguments}
    esac
}}

_routebook_offer() {{
    case "$1" in
        @free) ;;
        @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}}

_routebook() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path="" behind="" word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word == "=" ]]; then continue
        elif [[ -n $behind ]]; then behind=""
        elif [[ $word == -* ]]; then behind=$(_routebook_values "$path" "$word"); behind=${{behind%$'\\n'}}
        elif [[ " $(_routebook_below "$path") " == *" $word "* ]]; then path=${{path:+$path }}$word
        fi
    done
    [[ $cur == "=" ]] && cur=""
    if [[ -n $behind ]]; then _routebook_offer "$behind" "$cur"
    elif [[ $cur == -* ]]; then _routebook_offer "$(_routebook_options "$path")" "$cur"
    else _routebook_offer "$(_routebook_below "$path")$(_routebook_arguments "$path")" "$cur"
    fi
}}

complete -F _routebook routebook
"""


def script(program: Command) -> str:
    """The script, to be sourced."""
    commands = tuple(program.walk())
    return _SCRIPT.format(
        below=_cases((_path(each), " ".join(one.path[-1] for one in each.below)) for each in commands),
        options=_cases(
            (_path(each), " ".join(flag for option in each.options for flag in option.flags)) for each in commands
        ),
        values=_cases(
            (f"{_path(each)} {flag}", offered(option.values))
            for each in commands
            for option in each.options
            if option.values is not None
            for flag in option.flags
        ),
        arguments=_cases(
            (_path(each), _arguments(each.arguments)) for each in commands if each.arguments and not each.below
        ),
    )


def offered(values: Values) -> str:
    """What stands behind an option, as the scripts say it."""
    return " ".join(values.words) or ("@file" if values.file else "@free")


def _arguments(arguments: tuple[Values, ...]) -> str:
    """All words of all arguments; which of them has its turn is not counted."""
    words = [word for values in arguments for word in values.words]
    return " ".join(words) or ("@file" if any(values.file for values in arguments) else "@free")


def _path(command: Command) -> str:
    return " ".join(command.path)


def _cases(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"        {shlex.quote(key)}) echo {shlex.quote(said)} ;;" for key, said in pairs if said)
