"""What the doctor says of sound: of a real ffmpeg, of one that is not there, of one that makes nothing, and of sessions."""

from __future__ import annotations

from pathlib import Path

from routebook.edge.doctor.finding import Verdict
from routebook.edge.doctor.sound import crossing, sound
from tests.support.proxy import compiled, small_policy
from tests.support.transcoder import pretender, settings

SESSION = "  voice: {provider: scripted, id: voice-1, operations: [realtime], price: {input: 1, output: 1}}\n"


async def test_a_transcoder_is_tried_in_every_format(tmp_path: Path) -> None:
    """With sound, so that an ffmpeg without an encoder is found here."""
    [found] = await sound(compiled(small_policy("https://one.example/v1", more=settings())))
    assert found.verdict is Verdict.OK and "makes mp3, opus, aac, flac" in found.says
    [found] = await sound(compiled(small_policy("https://one.example/v1", more=settings("/nowhere/ffmpeg"))))
    assert found.verdict is Verdict.FAIL and "`/nowhere/ffmpeg` is not installed" in found.says
    partly = pretender(tmp_path, 'case "$*" in *libmp3lame*) exit 1;; *) echo made;; esac')
    [found] = await sound(compiled(small_policy("https://one.example/v1", more=settings(partly))))
    assert found.verdict is Verdict.FAIL and found.says.endswith("does not make mp3")


async def test_sessions_that_cross_need_their_extra() -> None:
    """Said where a policy has models of sessions, and nothing where it has no sound at all."""
    assert await sound(compiled(small_policy("https://one.example/v1"))) == []
    [found] = await sound(compiled(small_policy("https://one.example/v1", more=SESSION)))
    assert found.verdict is Verdict.OK
    missing = crossing(False)
    assert missing.verdict is Verdict.WARN and missing.advice is not None and "routebook[voice]" in missing.advice
