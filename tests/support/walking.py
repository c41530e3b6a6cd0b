"""Walking through a page that tells a reader what to type: its blocks in their order, run in one shell, and compared.

What a page may hold, as the information behind three backticks:

- `console`: lines that begin with `$ ` are typed, what follows each is what it prints; `...` stands for lines that are left out.
  A command that is expected to fail ends with `|| true` or shows its code.
- `console title="the service"`: its command is left running; what follows it must be printed in the end.
- `yaml title="rules/policy.yaml"`: the whole file.

Numbers, ids, digests, times and folders are other ones each time, so they are compared as such.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SERVICE = "the service"
LEFT_OUT = "..."
SECONDS = 120.0

_MASKS = (
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b"), "ID"),
    (re.compile(r"\brb_\w+|\brbk\w+"), "KEY"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{16,}\b"), "DIGEST"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\bkey \w{8} of\b"), "key NAME of"),
    (re.compile(r"\d[\d.,:]*( (ms|s)\b)?"), "0"),
    (re.compile(r"[ -]{2,}"), "  "),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader writes."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, what it must print, and whether it is left running."""

    command: str
    prints: tuple[str, ...]
    stays: bool = False


def steps(page: str) -> Iterator[File | Typed]:
    """What a page has its reader do, in order."""
    for language, title, text in BLOCK.findall(page):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                lines = part.rstrip("\n").split("\n")
                more = next(n for n, line in enumerate(lines) if not line.endswith("\\"))
                yield Typed("\n".join(lines[: more + 1]), tuple(lines[more + 1 :]), title == SERVICE)
        elif title:
            yield File(title, text)


def masked(line: str) -> str:
    """A line without what is another each time."""
    for pattern, word in _MASKS:
        line = pattern.sub(word, line)
    return line.strip()


def missing(told: tuple[str, ...], printed: str) -> str | None:
    """The first line of those told that was not printed where it stands; None where all were. Nothing told: nothing compared."""
    real = [masked(line) for line in printed.splitlines()]
    at, gap = 0, False
    for line in told:
        if line.strip() == LEFT_OUT:
            gap = True
            continue
        wanted = masked(line)
        if gap:
            at = next((n for n in range(at, len(real)) if real[n] == wanted), len(real))
        if at >= len(real) or real[at] != wanted:
            return line
        at, gap = at + 1, False
    return None if gap or not told or at == len(real) else f"(and no more after {told[-1]!r})"


@dataclass(slots=True)
class Shell:
    """A shell that keeps its variables and its folder from one command to the next."""

    folder: Path
    environment: Mapping[str, str]
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _shell: subprocess.Popen[str] | None = None

    def type(self, typed: Typed) -> str:
        """Run it; what it prints, errors among it, in order."""
        if typed.stays:
            return self._leave_running(typed)
        if self._shell is None:
            self._shell = subprocess.Popen(
                ["/bin/sh"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
                env=dict(self.environment),
            )
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{{ {typed.command}\n}} < /dev/null\necho; echo end-of-the-command\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while (line := self._shell.stdout.readline()) != "end-of-the-command\n":
            assert line, f"the shell ended at: {typed.command}\n{''.join(lines)}"
            lines.append(line)
        return "".join(lines).removesuffix("\n")

    def _leave_running(self, typed: Typed) -> str:
        log = self.folder / f"service-{len(self.services)}.log"
        with open(log, "wb") as output:
            words = shlex.split(typed.command)
            self.services.append(
                subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    cwd=self.folder, env=dict(self.environment),
                )
            )  # fmt: skip
        end = time.monotonic() + SECONDS
        while missing(typed.prints, printed := log.read_text()) is not None:
            assert self.services[-1].poll() is None and time.monotonic() < end, printed
            time.sleep(0.05)
        return printed

    def close(self) -> None:
        """End the shell and every service that was left running."""
        if self._shell is not None:
            self._shell.terminate()
            self._shell.communicate()
        for service in self.services:
            if service.poll() is None:
                service.send_signal(signal.SIGTERM)
                try:
                    service.wait(60)
                except subprocess.TimeoutExpired:
                    service.kill()
                    service.wait()


def with_this_python(environment: Mapping[str, str], programs: Path) -> dict[str, str]:
    """An environment in which the commands of this Python's own folder are found first."""
    return {**environment, "PATH": f"{programs}:{environment.get('PATH', os.defpath)}"}
