"""What is seen of a session of Live while it passes: which piece of an answer is the first that is heard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.protocols.gemini.live_reading import LiveReader
from routebook.protocols.sessions import Began, Finished, Sounded, Spoke

SOUND = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}


def turn(*parts: Any, **more: Any) -> bytes:
    """A frame with a piece of the model's turn."""
    return json.dumps({"serverContent": {"modelTurn": {"parts": list(parts)}, **more}}).encode()


def heard(reader: LiveReader, frame: bytes) -> list[type]:
    """The kinds of what happened."""
    return [type(each) for each in reader.came(frame)]


@pytest.mark.parametrize(
    "frame",
    [
        turn(SOUND),
        turn({"text": "Listen."}, SOUND),
        turn({"thought": True, "text": "hm"}, {"executableCode": {}}, SOUND, SOUND),
        turn(SOUND, interrupted=True),
        b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"AAAA",  "mimeType" : "audio\\/pcm"}}]}}}',
        b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"\\u0061udio/pcm","data":""}}]}}}',
    ],
    ids=["alone", "behind words", "among other parts", "at its end", "written otherwise", "escaped"],
)
def test_sound_is_sound_however_it_is_written(frame: bytes) -> None:
    """With the first of it the response has sounded."""
    assert heard(LiveReader(), frame) == [Began, Spoke, Sounded]


@pytest.mark.parametrize(
    "frame",
    [
        turn({"text": 'send it as {"inlineData": {"mimeType": "audio/pcm"}}'}),
        turn({"text": "inlineData audio/pcm"}),
        turn({"inlineData": {"mimeType": "image/png", "data": "audio/pcm"}}),
        turn({"inlineData": None}),
        turn({"inlineData": {"mimeType": None}}),
        turn({"inlineData": "audio/"}),
        turn("inlineData audio/"),
        b'{"serverContent":{"modelTurn":["inlineData","audio/"]}}',
        b'{"serverContent":{"modelTurn":"inlineData"}}',
        json.dumps({"serverContent": {"outputTranscription": {"text": "inlineData audio/pcm"}}}).encode(),
    ],
)
def test_what_only_speaks_of_sound_is_none(frame: bytes) -> None:
    """Words that look like it, pictures, and what no server says: the response speaks, and does not sound."""
    assert heard(LiveReader(), frame) == [Began, Spoke]


def test_each_turn_sounds_once() -> None:
    """In words first, then in sound, and sound again; the next turn anew."""
    reader = LiveReader()
    assert heard(reader, turn({"text": "Well."})) == [Began, Spoke]
    assert heard(reader, turn(SOUND)) == [Sounded]
    assert heard(reader, turn(SOUND)) == []
    usage = {"promptTokenCount": 1, "responseTokenCount": 1, "totalTokenCount": 2}
    over = json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": usage}).encode()
    assert heard(reader, over) == [Finished]
    assert heard(reader, turn(SOUND)) == [Began, Spoke, Sounded]
