"""What a command line takes, read from argparse: commands, options, and what may stand behind each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Values:
    """What an argument takes: one of `words`, else a path of a `file`, else something that nobody can foresee."""

    words: tuple[str, ...] = ()
    file: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option in all its spellings; `values` None: a switch. `help` is its first sentence."""

    flags: tuple[str, ...]
    help: str
    values: Values | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command at its `path` (the program itself: no words), what it takes, and the commands below it."""

    path: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    arguments: tuple[Values, ...]
    below: tuple[Command, ...]

    def walk(self) -> Iterator[Command]:
        """This command and all below it."""
        yield self
        for command in self.below:
            yield from command.walk()


def command_tree(parser: argparse.ArgumentParser, path: tuple[str, ...] = (), summary: str = "") -> Command:
    """Everything that a parser takes; what is hidden from its help is left out."""
    options, arguments, below = [], [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {choice.dest: choice.help or "" for choice in action._choices_actions}
            below += [
                command_tree(inner, (*path, name), _sentence(said.get(name, "")))
                for name, inner in action.choices.items()
            ]
        elif action.help == argparse.SUPPRESS:
            continue
        elif action.option_strings:
            takes = None if action.nargs == 0 else _values(action)
            options.append(Option(tuple(action.option_strings), _sentence(action.help or ""), takes))
        else:
            arguments.append(_values(action))
    return Command(path, summary, tuple(options), tuple(arguments), tuple(below))


def _values(action: argparse.Action) -> Values:
    """A policy is read as a word, for its place is told in problems as it was written; it is a path all the same."""
    return Values(tuple(map(str, action.choices or ())), action.type is Path or action.metavar == "POLICY")


def _sentence(text: str) -> str:
    """The beginning of a help text, up to its first stop; what argparse would fill in is left out."""
    for stop in (" (default", " [ROUTEBOOK_", "; ", ": "):
        text = text.partition(stop)[0]
    return " ".join(text.replace("%%", "%").split())
