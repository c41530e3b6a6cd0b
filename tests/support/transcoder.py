"""A real ffmpeg for tests: the machine's own, else the one that comes with the package `imageio-ffmpeg`; and programs that
only look like one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

FFMPEG: str = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def settings(program: str = FFMPEG, **more: object) -> str:
    """The section of a policy that declares it."""
    words = "".join(f", {name}: {value}" for name, value in more.items())
    return f'settings: {{transcoder: {{program: "{program}"{words}}}}}\n'


def run(*options: str, sound: bytes) -> bytes:
    """What ffmpeg makes of sound, by options of the test's own."""
    line = [FFMPEG, "-hide_banner", "-loglevel", "error", *options, "pipe:1"]
    done = subprocess.run(line, input=sound, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def coded(samples: bytes, *how: str) -> bytes:
    """Samples (`pcm16`) in another format."""
    return run("-f", "s16le", "-ar", "24000", "-ac", "1", "-i", "pipe:0", *how, sound=samples)


def decoded(sound: bytes) -> bytes:
    """Samples (`pcm16`) of sound in whatever format: ffmpeg sees which."""
    return run("-i", "pipe:0", "-f", "s16le", "-ar", "24000", "-ac", "1", sound=sound)


def pretender(folder: Path, *lines: str) -> str:
    """A program by the name of ffmpeg that does something else; its whole path."""
    path = folder / "ffmpeg-pretends"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)
