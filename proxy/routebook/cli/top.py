"""`routebook top`: a running service, live."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from routebook.cli import admin_calls
from routebook.cli.top_figures import Figures, Look, between, read_series
from routebook.cli.top_screen import as_object, screen

HELP = """\
Show a running service, live: requests a second, models, accounts and how they stand, budgets, queues, rules, and what did
not end well, each as of the last interval.

On a terminal it draws again and again; `q` or Ctrl-C ends it. Elsewhere, each interval is printed below the one before;
`--once` prints one and ends; `--format json` prints an object a line. It asks the admin listener of the service that owns a
state directory, and changes nothing."""

WIDE = 200
"""Columns where there is no terminal."""

_ENTER, _LEAVE = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
"""The terminal's other screen, without a cursor; and back."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    admin_calls.add_arguments(parser)
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="SECONDS", help="length of an interval (default: %(default)g)"
    )
    parser.add_argument("--once", action="store_true", help="one interval, then end")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Show until somebody ends it; 0, 1 where nobody answers, 2 for an interval that is none."""
    if not 0.1 <= args.every <= 3600:
        print("routebook top: `--every` is a number of seconds from 0.1 to 3600", file=sys.stderr)
        return 2
    try:
        before = look(args)
    except admin_calls.NoAnswer as error:
        print(f"routebook top: {error}", file=sys.stderr)
        return 1
    if args.format == "text" and not args.once and sys.stdin.isatty() and sys.stdout.isatty():
        return _on_terminal(args, before)
    return _in_lines(args, before)


def look(args: argparse.Namespace) -> Look:
    """The service at this moment. Raises NoAnswer."""
    status, text = admin_calls.asked(args, "GET", "/metrics")
    told = {path: admin_calls.call(args, "GET", path) for path in ("/accounts", "/budgets", "/policy")}
    for answered in told.values():
        if answered.refused is not None:
            raise admin_calls.NoAnswer(answered.refused)
    if status != 200:
        raise admin_calls.NoAnswer(f"`/metrics` answers with {status}")
    accounts = told["/accounts"].content["accounts"]
    series = read_series(text.decode("utf-8", "replace"))
    return Look(time.time(), series, accounts, told["/budgets"].content, told["/policy"].content)


def _in_lines(args: argparse.Namespace, before: Look) -> int:
    while True:
        time.sleep(args.every)
        try:
            now = look(args)
        except admin_calls.NoAnswer as error:
            print(f"routebook top: {error}", file=sys.stderr)
            return 1
        figures = between(before, now)
        print(_as_json(figures) if args.format == "json" else "\n".join([*_plain(figures), ""]), flush=True)
        if args.once:
            return 0
        before = now


def _plain(figures: Figures) -> list[str]:
    return screen(figures, WIDE, None, colour=False)


def _as_json(figures: Figures) -> str:
    import json

    return json.dumps(as_object(figures))


def _on_terminal(args: argparse.Namespace, before: Look) -> int:
    """Draw until `q`, Ctrl-C or SIGTERM; the terminal is left as it was found."""
    colour = "NO_COLOR" not in os.environ
    with _screen_of_our_own():
        figures, trouble = between(before, before), "the first interval..."
        while True:
            _draw(figures, trouble, colour)
            if _quits_within(args.every):
                return 0
            try:
                now = look(args)
                figures, trouble, before = between(before, now), "", now
            except admin_calls.NoAnswer as error:
                trouble = str(error)


def _draw(figures: Figures, trouble: str, colour: bool) -> None:
    size = os.get_terminal_size(sys.stdout.fileno())
    lines = screen(figures, size.columns, max(4, size.lines - 2), colour=colour)
    lines += [trouble or "q ends"]
    # each line is drawn over the one before and cleared behind its end, so that nothing flickers
    sys.stdout.write("\033[H" + "".join(f"{line}\033[K\n" for line in lines[:-1]) + f"{lines[-1]}\033[J")
    sys.stdout.flush()


@contextlib.contextmanager
def _screen_of_our_own() -> Iterator[None]:
    """The other screen of the terminal, keys as they are pressed; SIGTERM ends as Ctrl-C does."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    handler: Any = signal.signal(signal.SIGTERM, _interrupt)
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write(_ENTER)
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, handler)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _quits_within(seconds: float) -> bool:
    """Whether somebody pressed `q` (or closed the input) before the time was over."""
    import select

    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0]:
            pressed = os.read(sys.stdin.fileno(), 16)
            if not pressed or b"q" in pressed or b"Q" in pressed:
                return True
    return False
