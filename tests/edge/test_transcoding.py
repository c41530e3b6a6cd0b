"""Sound that is coded anew on its way, by a real ffmpeg: in every format, either way; its bounds, and what they are for."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from routebook.edge.faults import CallFailed
from routebook.edge.simulator.server import start_simulator
from routebook.edge.simulator.sound import RATE, tone
from routebook.edge.transcoding import Transcoder
from routebook.routing.policy import Transcoding
from routebook.sound.forms import PCM16, Coded, Samples
from routebook.sound.wav import SoundError, read_wav, wav_of
from tests.edge.sessions.test_talking import hertz
from tests.edge.test_chat_in_sound import POLICY, SPOKEN, asking, decisions
from tests.support.asking import ask
from tests.support.processes import descendants
from tests.support.proxy import LocalProxy, in_process
from tests.support.transcoder import FFMPEG, coded, decoded, pretender, run, settings
from tests.support.upstream import Received, Upstream, completion, event, reply, stream

PIPED = """\
  speaker: {provider: open, id: tts-1, operations: [speech], price: {characters: 15}}
"""
RULE = "  - {name: piped, when: {request.model: piped}, route: {to: [writer], pipeline: {text: [writer], speech: [speaker]}}}\n"

OGG = ("-c:a", "libopus", "-f", "ogg")
FLAC = ("-c:a", "flac", "-f", "flac")
AAC = ("-c:a", "aac", "-f", "adts")
MP3 = ("-c:a", "libmp3lame", "-f", "mp3")
WEBM = ("-c:a", "libopus", "-f", "webm")


def policy(upstream: str, declared: str) -> str:
    """The policy of chats in sound, with a pipeline and a transcoder."""
    written = POLICY.format(upstream=upstream).replace("budgets:\n", f"{PIPED}{declared}budgets:\n")
    return written.replace("rules:\n", f"rules:\n{RULE}")


@asynccontextmanager
async def proxied(
    folder: Path, declared: str, upstream: str | None = None
) -> AsyncIterator[tuple[LocalProxy, AsyncOpenAI]]:
    """A proxy with this transcoder in front of an upstream, the simulated one where none is given, and its client."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    try:
        async with (
            in_process(folder, policy(upstream or simulator.address, declared)) as proxy,
            AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as client,
        ):
            yield proxy, client
    finally:
        await simulator.close()


def speaking(model: str, format: str) -> Any:
    """A request for an answer in sound."""
    words = [{"role": "user", "content": "Speak."}]
    return {"model": model, "messages": words, "audio": {"voice": "alloy", "format": format}, **SPOKEN}


def is_the_tone(samples: bytes, milliseconds: int, slack: int = 100) -> bool:
    """Whether it is 440 Hz all through, and as long as that; coders put up to a tenth of a second around it."""
    assert 0 <= len(samples) // 48 - milliseconds <= slack, (len(samples) // 48, milliseconds)
    inner = samples[len(samples) // 8 // 2 * 2 : -(len(samples) // 8 // 2 * 2)]
    assert abs(hertz(inner) - 440) < 1, hertz(inner)
    return True


@pytest.mark.parametrize("model", ["gemini-voice", "piped"])
async def test_whole_answers_are_heard_in_every_format(tmp_path: Path, model: str) -> None:
    """Of a model whose sound is bare samples, and of a pipeline; what it took is in the record."""
    async with proxied(tmp_path, settings()) as (proxy, client):
        wav = (await client.chat.completions.create(**speaking(model, "wav"))).choices[0].message.audio
        assert wav is not None
        milliseconds = len(read_wav(base64.b64decode(wav.data))[1]) // 48
        for format in ("mp3", "opus", "aac", "flac"):
            answer = await client.chat.completions.create(**speaking(model, format))
            audio = answer.choices[0].message.audio
            assert audio is not None
            assert is_the_tone(decoded(base64.b64decode(audio.data, validate=True)), milliseconds), format
        with pytest.raises(openai.BadRequestError, match="`opus` is coded as a whole"):
            await client.chat.completions.create(stream=True, **speaking(model, "opus"))
        first, *others, last = await decisions(proxy)
    assert "transcoded" not in first.ended and "transcoded" not in last.ended
    for record, format in zip(others, ("mp3", "opus", "aac", "flac"), strict=True):
        [line] = record.ended["transcoded"]
        assert (line["from"], line["to"], line["bytes"]) == ("pcm", format, milliseconds * 48)
        assert 0 < line["made"] < line["bytes"] and line["seconds"] > 0
        assert record.ended["usage"] == first.ended["usage"]


def taken(received: Received) -> bytes:
    """The WAV file that an upstream of OpenAI's chat was given."""
    part = received.json()["messages"][0]["content"][1]["input_audio"]
    assert part["format"] == "wav"
    return base64.b64decode(part["data"])


async def test_what_an_upstream_does_not_take_is_a_file_that_it_takes(tmp_path: Path, upstream: Upstream) -> None:
    """A client of Google's may say it in formats that OpenAI's models do not hear; bad ones are refused by their name."""
    upstream.otherwise = lambda request: reply(completion("It is a tone.", "gpt-audio-1"))
    path = "/v1beta/models/gpt-audio:generateContent"

    def body(kind: str, sound: bytes) -> dict[str, Any]:
        part = {"inlineData": {"mimeType": kind, "data": base64.b64encode(sound).decode()}}
        return {"contents": [{"role": "user", "parts": [{"text": "What is this?"}, part]}]}

    kinds = {"audio/ogg": OGG, "audio/opus": OGG, "audio/flac": FLAC, "audio/aac": AAC, "audio/webm": WEBM}
    async with proxied(tmp_path, settings(longest="20s"), upstream.url) as (proxy, _):
        for kind, how in kinds.items():
            answer = await ask(proxy.url, body(kind, coded(tone(0, 1_500), *how)), path)
            assert answer.status == 200, answer.body
            samples, sound = read_wav(taken(upstream.exchanges[-1].request))
            assert samples == PCM16 and is_the_tone(sound, 1_500), kind
        mp3 = coded(tone(0, 300), *MP3)
        assert (await ask(proxy.url, body("audio/mp3", mp3), path)).status == 200
        part = upstream.exchanges[-1].request.json()["messages"][0]["content"][1]["input_audio"]
        assert (part["format"], base64.b64decode(part["data"])) == ("mp3", mp3)
        called = len(upstream.exchanges)
        playlist = b"ffconcat version 1.0\nfile /etc/hostname\n" * 50
        long = coded(bytes(48 * 21_000), *FLAC)
        for kind, sound, why in (
            ("audio/flac", b"fLaC" + os.urandom(5_000), b"cannot be read as `flac`"),
            ("audio/ogg", playlist, b"cannot be read as `ogg`"),
            ("audio/aac", b"#EXTM3U\n#EXTINF:1\nfile:///etc/hostname\n", b"cannot be read as `aac`"),
            ("audio/flac", long, b"longer than the 20 s"),
            ("audio/amr", b"#!AMR\n", b"takes wav and mp3"),
        ):
            answer = await ask(proxy.url, body(kind, sound), path)
            assert answer.status == 400 and why in answer.body, (kind, answer.body)
        assert len(upstream.exchanges) == called
        records = await decisions(proxy)
    assert [line["from"] for line in records[0].ended["transcoded"]] == ["ogg"]
    assert records[-1].ended["attempts"][0]["losses"][0]["feature"] == "audio_inline"


async def test_a_client_of_openai_s_may_say_it_in_any_format_to_google(tmp_path: Path, upstream: Upstream) -> None:
    """What Gemini takes goes as it is; Opus, which it does not name, as a file."""
    said = {"candidates": [{"content": {"role": "model", "parts": [{"text": "A tone."}]}, "finishReason": "STOP"}]}
    upstream.otherwise = lambda request: reply(said)
    async with proxied(tmp_path, settings(), upstream.url) as (_, client):
        for format, how, kind in (("mp3", MP3, "audio/mp3"), ("flac", FLAC, "audio/flac"), ("opus", OGG, "audio/wav")):
            sound = coded(tone(0, 1_000), *how)
            await client.chat.completions.create(model="gemini-voice", messages=asking(sound, format))
            given = upstream.exchanges[-1].request.json()["contents"][0]["parts"][1]["inlineData"]
            data = base64.b64decode(given["data"])
            assert given["mimeType"] == kind
            assert data == sound if kind != "audio/wav" else is_the_tone(read_wav(data)[1], 1_000)


@pytest.mark.parametrize("format", ["pcm16", "wav", "mp3"])
async def test_sound_of_another_rate_keeps_its_pitch(tmp_path: Path, upstream: Upstream, format: str) -> None:
    """Bare samples at 16,000 a second, stereo at 48,000, and a WAV file of 8,000, as an upstream may speak."""
    ways = {
        "audio/L16;codec=pcm;rate=16000": ("-ar", "16000", "-f", "s16le"),
        "audio/L16;codec=pcm;rate=48000;channels=2": ("-ar", "48000", "-ac", "2", "-f", "s16le"),
        "audio/wav": ("-ar", "8000", "-f", "wav"),
        "audio/flac": FLAC,
    }
    async with proxied(tmp_path, settings(), upstream.url) as (_, client):
        for kind, how in ways.items():
            data = base64.b64encode(coded(tone(0, 1_500), *how)).decode()
            part = {"inlineData": {"mimeType": kind, "data": data}}
            said = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
            upstream.will(reply(said))
            answer = await client.chat.completions.create(**speaking("gemini-voice", format))
            audio = answer.choices[0].message.audio
            assert audio is not None
            sound = base64.b64decode(audio.data)
            samples = sound if format == "pcm16" else decoded(sound)
            assert is_the_tone(samples, 1_490, 130), (kind, format)


async def test_a_stream_of_another_rate_keeps_its_pitch(tmp_path: Path, upstream: Upstream) -> None:
    """It is resampled as it comes, by whatever resamples sessions; no process is begun for it."""
    sound = coded(tone(0, 1_500), "-ar", "16000", "-f", "s16le")
    events = []
    for at in range(0, len(sound), 1_001):
        blob = {"mimeType": "audio/L16;codec=pcm;rate=16000", "data": base64.b64encode(sound[at : at + 1_001]).decode()}
        events.append({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"inlineData": blob}]}}]})
    events[-1]["candidates"][0]["finishReason"] = "STOP"
    upstream.will(stream([event(each) for each in events]))
    async with proxied(tmp_path, "", upstream.url) as (proxy, client):
        said = await client.chat.completions.create(stream=True, **speaking("gemini-voice", "pcm16"))
        deltas = [choice.delta.to_dict().get("audio") or {} async for each in said for choice in each.choices]
        record = await proxy.only_record()
    pieces: list[Any] = [each.get("data", "") for each in deltas]
    assert is_the_tone(base64.b64decode("".join(pieces), validate=True), 1_500)
    assert record.ended is not None and record.ended["end"] == "--" and "transcoded" not in record.ended


async def test_without_it_nothing_is_different(tmp_path: Path) -> None:
    """A program that is not installed is none: whoever needs it is refused before anybody is called."""
    async with proxied(tmp_path, settings("/nowhere/ffmpeg")) as (proxy, client):
        with pytest.raises(openai.BadRequestError, match="`mp3` needs a transcoder"):
            await client.chat.completions.create(**speaking("gemini-voice", "mp3"))
        [record] = await decisions(proxy)
    assert record.ended["cost"] == 0


async def test_one_that_takes_too_long_is_ended_and_the_model_is_paid(tmp_path: Path) -> None:
    """The client is told when to come back, the record what the answer cost, and no process is left; nor is one where the
    client leaves."""
    slow = pretender(tmp_path, "exec /bin/sleep 60")
    async with proxied(tmp_path / "one", settings(slow, within="300ms")) as (proxy, client):
        with pytest.raises(openai.InternalServerError, match="longer than 0.3 s") as failed:
            await client.chat.completions.create(**speaking("gemini-voice", "mp3"))
        assert failed.value.status_code == 503 and failed.value.response.headers["retry-after"] == "1"
        assert failed.value.response.headers["x-routebook-error"] == "gateway.transcoder"
        ended = (await proxy.only_record()).ended
        assert ended is not None and ended["end"] == "GH" and ended["usage_by"] == "measured"
        assert ended["cost_parts"]["audio_output"] > 0
        flac = base64.b64encode(coded(tone(0, 100), *FLAC)).decode()
        part = {"inlineData": {"mimeType": "audio/flac", "data": flac}}
        said = {"contents": [{"role": "user", "parts": [{"text": "What is this?"}, part]}]}
        answer = await ask(proxy.url, said, "/v1beta/models/gpt-audio:generateContent")
        assert answer.status == 503 and answer.header("x-routebook-error") == "gateway.transcoder"
        assert (await decisions(proxy))[-1].ended["cost"] == 0
        assert not sleeping()
    async with proxied(tmp_path / "two", settings(slow, within="60s")) as (proxy, client):
        asked = asyncio.ensure_future(client.chat.completions.create(**speaking("gemini-voice", "mp3")))
        while not sleeping():
            await asyncio.sleep(0.01)
        asked.cancel()
        ended = (await proxy.only_record()).ended
        assert ended is not None and ended["error"] == "client.gone"
        while sleeping():
            await asyncio.sleep(0.01)


def sleeping() -> list[int]:
    """Processes of pretenders that sleep."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += [pid] if b"sleep\x0060" in file.read() else []
        except OSError:
            continue
    return found


def declared(program: str = FFMPEG, **more: Any) -> Transcoder:
    """A transcoder alone."""
    return Transcoder(Transcoding(program, **more))


async def test_a_process_is_given_nothing_but_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no folder, no file to write, a bound on memory and on processor time."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    told = 'echo "$OPENAI_API_KEY $(pwd) $(ulimit -f) $(ulimit -v) $(ulimit -t) $(ulimit -c)"'
    program = pretender(tmp_path, "/usr/bin/head -c 4 >/dev/null", told)
    made = await declared(program, within=7.0).made(bytes(480), PCM16, "mp3")
    assert made == b" / 0 1048576 8 0\n"


async def test_one_that_may_not_be_bounded_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a filter of system calls that keeps services from bounding others."""

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "prlimit", refused)
    with pytest.raises(CallFailed, match="does not start"):
        await declared().made(bytes(480), PCM16, "mp3")


async def test_places_are_kept_and_what_comes_out_is_bounded(tmp_path: Path) -> None:
    """One at a time where one is declared; a program that never ends is ended; one that dies is an error of the sound."""
    lock = tmp_path / "lock"
    alone = [
        f"/bin/mkdir {lock} || exit 3",
        "/bin/cat >/dev/null",
        "/bin/sleep 0.02",
        f"/bin/rmdir {lock}",
        "echo alone",
    ]
    transcoder = declared(pretender(tmp_path, *alone), at_once=1)
    made = await asyncio.gather(*(transcoder.made(bytes(4800), PCM16, "mp3") for _ in range(5)))
    assert made == [b"alone\n"] * 5
    endless = declared(pretender(tmp_path, "exec /usr/bin/yes"), longest=1.0)
    with pytest.raises(SoundError, match="longer than the 1 s"):
        await endless.made(bytes(480), Coded("mp3"), "pcm16")
    with pytest.raises(SoundError, match="longer than the 1 s"):
        await endless.made(bytes(48_002), PCM16, "mp3")
    with pytest.raises(SoundError, match="cannot be read as `mp3`"):
        await declared(pretender(tmp_path, "kill -SEGV $$")).made(bytes(480), Coded("mp3"), "pcm16")
    with pytest.raises(CallFailed, match="does not start"):
        (tmp_path / "ffmpeg-folder").write_text("not a program")
        (tmp_path / "ffmpeg-folder").chmod(0o755)
        await declared(str(tmp_path / "ffmpeg-folder")).made(bytes(480), PCM16, "mp3")


async def test_long_sound_goes_through_in_pieces() -> None:
    """Ten minutes in, ten minutes out, and not a sample lost where nothing is lost by the format."""
    transcoder, sound = declared(), tone(0, 1_000) * 600
    packed = await transcoder.made(sound, PCM16, "flac")
    assert len(packed) < len(sound)
    assert await transcoder.made(packed, Coded("flac"), "pcm16") == sound
    half = await transcoder.made(sound, Samples(2 * RATE), "pcm16")
    assert abs(len(half) * 2 - len(sound)) < 100 and abs(hertz(half[: 48 * 500]) - 880) < 2
    assert wav_of(sound)[44:] == run("-f", "flac", "-i", "pipe:0", "-f", "s16le", sound=packed)
