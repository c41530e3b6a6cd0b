"""`routebook completion`: a script that lets a shell complete command lines."""

from __future__ import annotations

import argparse

HELP = """\
Print a script with which a shell completes commands, options and their values.

    source <(routebook completion bash)                                    in ~/.bashrc
    routebook completion zsh > ~/.zfunc/_routebook                         with ~/.zfunc in $fpath before compinit
    routebook completion fish > ~/.config/fish/completions/routebook.fish

It is made from the command line's own parser, so it fits the version that printed it."""

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=SHELLS, help="the shell to complete for")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import importlib

    from routebook.cli.completing.command_tree import command_tree
    from routebook.cli.main import build_parser

    print(
        importlib.import_module(f"routebook.cli.completing.{args.shell}").script(command_tree(build_parser())), end=""
    )
    return 0
