"""Laws of the codecs of sessions that cross: nothing that either side sends raises anything but ProtocolError, and what
clients are told is a history that its API allows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.loss import Done
from routebook.chat.talk import Close, Doing, Down, Lost, Reopen, Up
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.live_client import LiveClient
from routebook.protocols.gemini.live_reading import LiveReader
from routebook.protocols.gemini.live_upstream import LiveUpstream
from routebook.protocols.openai_realtime.client import RealtimeClient
from routebook.protocols.openai_realtime.reading import RealtimeReader
from routebook.protocols.openai_realtime.upstream import RealtimeUpstream
from routebook.protocols.session_crossing import Crossing

SOUND = base64.b64encode(bytes(4800)).decode()
USAGE = {
    "promptTokenCount": 10,
    "responseTokenCount": 5,
    "totalTokenCount": 15,
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
}


def content(**fields: Any) -> dict[str, Any]:
    """A frame of Live's with content."""
    return {"serverContent": fields}


LIVE = [
    {"setupComplete": {}},
    content(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}]}),
    content(modelTurn={"parts": [{"text": "four"}, {"text": "thought", "thought": True}]}),
    content(outputTranscription={"text": "five "}),
    content(inputTranscription={"text": "six "}),
    content(interrupted=True),
    content(generationComplete=True),
    content(turnComplete=True),
    {**content(turnComplete=True), "usageMetadata": USAGE},
    {"usageMetadata": USAGE},
    {"toolCall": {"functionCalls": [{"id": "c1", "name": "f", "args": {"a": 1}}, {"id": "c2", "name": "g"}]}},
    {"toolCallCancellation": {"ids": ["c1"]}},
    {"goAway": {"timeLeft": "5s"}},
    {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
    {"sessionResumptionUpdate": {"resumable": False}},
    {"unheard": 1},
]
REALTIME_SAYS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}},
    {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}},
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c1", "output": "7"}},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c2", "output": "{}"}},
    {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 0},
    {"type": "response.create"},
    {"type": "response.cancel"},
    {"type": "unheard.of"},
]  # fmt: skip
REALTIME_TELLS: list[dict[str, Any]] = [
    {"type": "session.updated", "session": {}},
    {"type": "response.created", "response": {"id": "r"}},
    {"type": "response.output_audio.delta", "response_id": "r", "delta": SOUND},
    {"type": "response.output_audio_transcript.delta", "response_id": "r", "delta": "five "},
    {"type": "response.output_text.delta", "response_id": "r", "delta": "four"},
    {"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}},
    {"type": "input_audio_buffer.speech_started"},
    {"type": "input_audio_buffer.speech_stopped"},
    {"type": "conversation.item.input_audio_transcription.completed", "transcript": "six"},
    {"type": "response.done", "response": {"id": "r", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 4}}},
    {"type": "response.done", "response": {"id": "r", "status": "cancelled", "status_details": {"reason": "turn_detected"}}},
    {"type": "response.done", "response": {"id": "r", "status": "failed", "status_details": {"error": {"code": "x"}}}},
    {"type": "error", "error": {"code": "y", "message": "no"}},
]  # fmt: skip
LIVE_SAYS: list[dict[str, Any]] = [
    {"realtime_input": {"audio": {"data": SOUND, "mime_type": "audio/pcm;rate=16000"}}},
    {"realtimeInput": {"text": "hi"}},
    {"realtimeInput": {"activityStart": {}}},
    {"realtimeInput": {"activityEnd": {}}},
    {"realtimeInput": {"audioStreamEnd": True}},
    {"realtimeInput": {"video": {"data": "", "mimeType": "image/jpeg"}}},
    {"client_content": {"turns": [{"role": "user", "parts": [{"text": "hi"}]}], "turn_complete": True}},
    {"clientContent": {"turns": [{"role": "model", "parts": [{"text": "hi"}]}]}},
    {"toolResponse": {"functionResponses": [{"id": "c1", "name": "f", "response": {"r": 1}}]}},
    {"setup": {}},
    {},
]

WRONG: tuple[Any, ...] = (None, True, 0, -1, 2.5, 10**30, "", "x", "\udc80", [], [None], ["text"], {}, {"a": [1]}, [{}])
"""Values that may stand where something else is expected."""


def scribbled(frames: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """A frame of these, or one with a value of it exchanged, or bytes."""

    @st.composite
    def changed(draw: st.DrawFn) -> bytes:
        frame = json.loads(json.dumps(draw(st.sampled_from(frames))))
        place = frame
        while isinstance(place, dict) and place:
            name = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[name], dict) or draw(st.booleans()):
                place[name] = draw(st.sampled_from(WRONG))
                break
            place = place[name]
        return json.dumps(frame).encode()

    return st.sampled_from(frames).map(lambda frame: json.dumps(frame).encode()) | changed() | st.binary(max_size=20)


def to_live() -> Crossing:
    """A client of Realtime on an upstream of Live."""
    crossing = Crossing(RealtimeClient("s", "m"), LiveUpstream("m"), {})
    assert all(loss.done is not Done.REFUSED for loss in crossing.begin())
    crossing.opening()
    return crossing


def to_realtime(setup: dict[str, Any]) -> Crossing:
    """A client of Live on an upstream of Realtime."""
    first = json.dumps({"setup": {"model": "models/m", **setup}}).encode()
    crossing = Crossing(LiveClient(first), RealtimeUpstream(), {})
    crossing.begin()
    crossing.opening()
    return crossing


MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}

Step = tuple[bool, bytes]


def steps(says: list[dict[str, Any]], tells: list[dict[str, Any]], wild: bool) -> st.SearchStrategy[list[Step]]:
    """What the client says (True) and the upstream tells, in any order."""

    def frames(of: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
        return scribbled(of) if wild else st.sampled_from(of).map(lambda frame: json.dumps(frame).encode())

    return st.lists(st.tuples(st.just(True), frames(says)) | st.tuples(st.just(False), frames(tells)), max_size=40)


def played(crossing: Crossing, play: Iterable[Step]) -> list[Doing]:
    """What is done about all that; a ProtocolError of the upstream's ends it, as it ends a session."""
    done: list[Doing] = []
    for is_client, frame in play:
        try:
            if not is_client:
                done += crossing.came(frame)
                continue
            try:
                heard = crossing.hear(frame)
            except ProtocolError as error:
                done += crossing.refuse(error)
            else:
                done += crossing.take(heard)
        except ProtocolError:
            return done
        if any(isinstance(each, Reopen) for each in done):
            crossing.opening()
    return done


@given(steps(REALTIME_SAYS, LIVE, wild=True))
@settings(max_examples=200, deadline=None)
def test_whatever_is_said_between_realtime_and_live(play: list[Step]) -> None:
    """Only ProtocolError is raised, and every frame is JSON that the readers of money can read."""
    reader = LiveReader("m", "m")
    for doing in played(to_live(), play):
        assert isinstance(doing, Up | Down | Reopen | Close | Lost)
        if isinstance(doing, Up):
            json.loads(doing.frame)
            reader.sent(doing.frame)
        if isinstance(doing, Down):
            json.loads(doing.frame)


@given(steps(LIVE_SAYS, REALTIME_TELLS, wild=True), st.sampled_from([{}, MANUAL]))
@settings(max_examples=200, deadline=None)
def test_whatever_is_said_between_live_and_realtime(play: list[Step], setup: dict[str, Any]) -> None:
    """Likewise."""
    reader = RealtimeReader("m", "m")
    for doing in played(to_realtime(setup), play):
        assert isinstance(doing, Up | Down | Reopen | Close | Lost)
        if isinstance(doing, Up):
            json.loads(doing.frame)
            reader.sent(doing.frame)
        if isinstance(doing, Down):
            json.loads(doing.frame)


@given(steps(REALTIME_SAYS, LIVE, wild=False))
@settings(max_examples=200, deadline=None)
def test_what_a_realtime_client_is_told_is_a_history(play: list[Step]) -> None:
    """One response at a time, each begun once and done once; deltas are what `done` says; sound only while one runs."""
    running: str | None = None
    deltas: dict[str, str] = {}
    finished: set[str] = set()
    identities: set[str] = set()
    for doing in played(to_live(), play):
        if not isinstance(doing, Down):
            continue
        event = json.loads(doing.frame)
        assert event["event_id"] not in identities
        identities.add(event["event_id"])
        kind = event["type"]
        if kind == "response.created":
            assert running is None
            running = event["response"]["id"]
            assert running not in finished
            deltas = {}
        elif kind == "response.done":
            assert event["response"]["id"] == running
            finished.add(event["response"]["id"])
            running = None
            for item in event["response"]["output"]:
                assert item["status"] != "in_progress"
                for part in item.get("content", ()):
                    said = part.get("transcript", part.get("text"))
                    assert said == deltas.get("words", "")
        elif kind.startswith("response."):
            assert event["response_id"] == running
            if kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
                deltas["words"] = deltas.get("words", "") + event["delta"]
            if kind == "response.function_call_arguments.delta":
                deltas[event["item_id"]] = deltas.get(event["item_id"], "") + event["delta"]
            if kind == "response.function_call_arguments.done":
                assert event["arguments"] == deltas[event["item_id"]]


@given(steps(LIVE_SAYS, REALTIME_TELLS, wild=False), st.sampled_from([{}, MANUAL]))
@settings(max_examples=200, deadline=None)
def test_what_a_live_client_is_told_is_live_s(play: list[Step], setup: dict[str, Any]) -> None:
    """No frame has a name at its top that Google's client does not know, but the one of an error before a close."""
    done = played(to_realtime(setup), play)
    for doing in done:
        if isinstance(doing, Down):
            frame = json.loads(doing.frame)
            known = {"setupComplete", "serverContent", "toolCall", "toolCallCancellation", "usageMetadata"}
            assert set(frame) <= known or set(frame) == {"code", "message", "status"}


def told(crossing: Crossing, *frames: dict[str, Any]) -> list[dict[str, Any]]:
    """What a client of Realtime is told when its Live upstream says this."""
    done = played(crossing, [(False, json.dumps(frame).encode()) for frame in frames])
    return [json.loads(each.frame) for each in done if isinstance(each, Down)]


def asked(crossing: Crossing, *events: dict[str, Any]) -> list[Doing]:
    """What is done when a client of Realtime says this."""
    return played(crossing, [(True, json.dumps(event).encode()) for event in events])


SPOKEN = content(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}]})
OVER = {**content(turnComplete=True), "usageMetadata": USAGE}
HANDLE = {"sessionResumptionUpdate": {"newHandle": "h7", "resumable": True}}


def test_usage_that_comes_late_stands_in_the_next_response() -> None:
    """A response is done when its turn is; what it used is told when it is known."""
    crossing = to_live()
    first = told(crossing, SPOKEN, content(turnComplete=True), {"usageMetadata": USAGE})
    assert first[-1]["type"] == "response.done" and first[-1]["response"]["usage"] is None
    second = told(crossing, SPOKEN, content(turnComplete=True))
    assert second[-1]["response"]["usage"]["output_token_details"]["audio_tokens"] == 5


def test_a_connection_that_ends_in_the_middle_is_gone_on_from() -> None:
    """The response that ran is failed, and the session has its handle."""
    crossing = to_live()
    told(crossing, SPOKEN, OVER, HANDLE, SPOKEN, {"goAway": {"timeLeft": "1s"}})
    assert crossing.may_resume()
    ended = [json.loads(each.frame) for each in crossing.cut() if isinstance(each, Down)]
    assert (ended[-1]["type"], ended[-1]["response"]["status"]) == ("response.done", "failed")
    assert json.loads(crossing.opening()[0])["setup"]["sessionResumption"] == {"handle": "h7"}


def test_without_a_handle_nothing_is_gone_on_from() -> None:
    """What was said would be forgotten."""
    crossing = to_live()
    told(crossing, SPOKEN, OVER, {"goAway": {"timeLeft": "1s"}})
    assert not crossing.may_resume()


@pytest.mark.parametrize(
    "spurious", [[content(interrupted=True)], [content(interrupted=True), content(turnComplete=True)]]
)
def test_an_interruption_of_nothing_is_nothing(spurious: list[dict[str, Any]]) -> None:
    """Some upstreams say so at the beginning of a turn."""
    crossing = to_live()
    assert told(crossing, *spurious) == []
    events = told(crossing, SPOKEN, OVER)
    assert events[-1]["response"]["status"] == "completed"


def test_calls_that_nobody_waits_for_end_with_the_next_question() -> None:
    """The turn with the calls ends unseen; the next response is not taken for it, and a late result is refused."""
    crossing = to_live()
    told(crossing, LIVE[10])
    asked(crossing, REALTIME_SAYS[7], {"type": "response.create"})
    events = told(
        crossing, {"toolCallCancellation": {"ids": ["c1", "c2"]}}, content(interrupted=True), OVER, SPOKEN, OVER
    )
    done = [each["response"]["status"] for each in events if each["type"] == "response.done"]
    assert done == ["completed"]
    late = [json.loads(each.frame) for each in asked(crossing, REALTIME_SAYS[8]) if isinstance(each, Down)]
    assert [each["type"] for each in late] == ["error"]


def test_results_of_several_calls_may_come_one_by_one() -> None:
    """Some clients ask for a response after each: the upstream is told each as it comes."""
    crossing = to_live()
    told(crossing, LIVE[10])
    first = asked(crossing, REALTIME_SAYS[8], {"type": "response.create"})
    second = asked(crossing, REALTIME_SAYS[9], {"type": "response.create"})
    sent = [json.loads(each.frame) for each in (*first, *second) if isinstance(each, Up)]
    answered = [each["id"] for frame in sent for each in frame["toolResponse"]["functionResponses"]]
    assert answered == ["c1", "c2"]


def test_a_session_begins_with_the_settings_of_its_key() -> None:
    """And a client may say its own name of the model again, but no other."""
    client = RealtimeClient("s", "upstream-1", "mine", b'{"type":"realtime","model":"mine","instructions":"Be brief."}')
    crossing = Crossing(client, LiveUpstream("upstream-1"), {})
    assert not crossing.begin()
    assert json.loads(crossing.opening()[0])["setup"]["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    for model, kind in (("mine", "session.updated"), ("upstream-1", "session.updated"), ("another", "error")):
        done = asked(crossing, {"type": "session.update", "session": {"type": "realtime", "model": model}})
        assert [json.loads(each.frame)["type"] for each in done if isinstance(each, Down)] == [kind]
