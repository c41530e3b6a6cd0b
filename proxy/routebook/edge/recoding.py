"""Which sound of a chat goes through the declared transcoder: what a client says before its upstream hears it, where that
takes no such format, and what an upstream speaks before its client hears it, where that asked for another one."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.conversation import ChatRequest, Message
from routebook.chat.features import Feature
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Audio, Inline, Part
from routebook.edge.answers import Failure
from routebook.edge.calls import Call
from routebook.edge.faults import CallFailed
from routebook.edge.transcoding import UNAVAILABLE, Transcoder, word_of
from routebook.edge.translating import Job, crossing_side, in_words
from routebook.edge.voice import Voice
from routebook.protocols.answered import answered
from routebook.sound.converting import WAV
from routebook.sound.forms import PCM16, Coded, Form, form_of, media_type_of
from routebook.sound.transcoding import MADE, is_readable, source_of
from routebook.sound.wav import SoundError, wav_of

AGAIN: Final = 1.0
"""Seconds after which a client may try again whose sound found no transcoder."""

SPOKEN: Final = "audio_in"
"""The capability that a request with sound in it needs."""

Changing = Callable[[Inline, str], Awaitable[Inline]]


async def as_taken(job: Job, call: Call, transcoder: Transcoder | None, voice: Voice) -> Job:
    """The job with its sound in formats that the upstream takes; raises CallFailed where it cannot be had in them."""
    if transcoder is None or transcoder.program is None or SPOKEN not in job.asked.needs:
        return job
    side = crossing_side(job, call.candidate)
    if side is None or not side.hears:
        return job
    recoder = _Recoder(transcoder, voice)
    chat: ChatRequest = job.asked.chat
    path = "messages"

    async def taken(source: Inline, at: str) -> Inline:
        nonlocal path
        path = at
        form = form_of(source.media_type)
        if source.media_type in side.hears or not isinstance(form, Coded) or not is_readable(form):
            return source
        return await recoder.file(source, form)

    try:
        messages = [await _message(each, f"messages[{at}]", taken) for at, each in enumerate(chat.messages)]
    except SoundError as error:
        call.losses = (Loss(Feature.AUDIO_INLINE.word, path, Done.REFUSED, str(error)),)
        raise CallFailed("request.not-carried", in_words(call.losses)) from None
    return replace(job, chat=replace(chat, messages=tuple(messages)))


async def as_wanted(answer: ChatAnswer, wanted: str | None, transcoder: Transcoder | None, voice: Voice) -> ChatAnswer:
    """The answer with its sound in the format that its client asked for. Raises CallFailed where the upstream's cannot be
    read, Failure where nobody codes it: its upstream is paid all the same."""
    if wanted is None or transcoder is None or transcoder.program is None:
        return answer
    recoder = _Recoder(transcoder, voice)

    async def given(source: Inline, at: str) -> Inline:
        return await recoder.wanted(source, wanted)

    try:
        choices = [await _choice(each, given) for each in answer.choices]
    except SoundError as error:
        raise CallFailed("upstream.garbled", f"the sound of the answer: {error}") from None
    except CallFailed as failed:
        raise Failure(UNAVAILABLE, failed.words, retry_after=AGAIN, said=answered(answer)) from None
    return replace(answer, choices=tuple(choices))


async def _message(message: Message, path: str, changing: Changing) -> Message:
    if not any(isinstance(part, Audio) for part in message.parts):
        return message
    parts = [await _part(part, f"{path}.parts[{at}]", changing) for at, part in enumerate(message.parts)]
    return replace(message, parts=tuple(parts))


async def _choice(choice: Choice, changing: Changing) -> Choice:
    if not any(isinstance(part, Audio) for part in choice.parts):
        return choice
    return replace(choice, parts=tuple([await _part(part, "", changing) for part in choice.parts]))


async def _part(part: Part, path: str, changing: Changing) -> Part:
    if not isinstance(part, Audio) or not isinstance(part.source, Inline) or not part.source.base64:
        return part
    return replace(part, source=await changing(part.source, path))


class _Recoder:
    """Has sound transcoded, and notes that it was."""

    def __init__(self, transcoder: Transcoder, voice: Voice) -> None:
        self._transcoder = transcoder
        self._voice = voice

    async def file(self, source: Inline, form: Form) -> Inline:
        """As a WAV file."""
        return Inline("audio/wav", _encoded(wav_of(await self._made(_decoded(source), form, WAV))))

    async def wanted(self, source: Inline, wanted: str) -> Inline:
        """As one of OpenAI's words says; samples stay bare, whose head is put on where the answer is written."""
        sound = _decoded(source)
        form = source_of(source.media_type, sound, wanted)
        if form is None:
            return source
        made = await self._made(sound, form, wanted)
        return Inline(MADE[wanted].media_type if wanted in MADE else media_type_of(PCM16), _encoded(made))

    async def _made(self, sound: bytes, form: Form, wanted: str) -> bytes:
        began = time.monotonic()
        made = await self._transcoder.made(sound, form, wanted)
        line = {"from": word_of(form), "to": wanted, "bytes": len(sound), "made": len(made)}
        self._voice.transcoded.append({**line, "seconds": round(time.monotonic() - began, 6)})
        return made


def _decoded(source: Inline) -> bytes:
    try:
        return base64.b64decode(source.base64, validate=True)
    except (binascii.Error, ValueError):
        raise SoundError("it is not base64") from None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
