"""Sessions of OpenAI's Realtime, relayed: real sockets on both sides."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from tests.support.proxy import LocalProxy, in_process
from tests.support.voices import CREATED, Voices, greet, heard, respond, until_left, usage_of, voice_policy


@asynccontextmanager
async def session(proxy: LocalProxy, path: str = "/v1/realtime?model=voice", **more: Any) -> AsyncIterator[Any]:
    """A client's socket through the proxy."""
    async with aiohttp.ClientSession() as client, client.ws_connect(proxy.url + path, max_msg_size=0, **more) as socket:
        yield socket


async def refusal(
    proxy: LocalProxy, path: str = "/v1/realtime?model=voice", body: bytes | None = None, **headers: str
) -> tuple[int, Any, Any]:
    """Status, headers and body of an upgrade that is refused."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    async with aiohttp.ClientSession() as client, client.get(proxy.url + path, headers=upgrade, data=body) as answer:
        return answer.status, answer.headers, await answer.json()


async def echo(socket: Any) -> None:
    """Greet, then say everything back as it came."""
    await greet(socket)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)


async def test_every_message_passes_as_it_came(tmp_path: Path) -> None:
    """Byte for byte, either way, of either kind, events that nobody knows included, and one of 15 MiB."""
    texts = ['{"type":"unheard.of",  "z":1.50,"a":"\\u00e4"}', "not JSON at all \u2603", "", '{"type":7}']
    large = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (15 * 1024 * 1024)})
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            assert json.loads(await socket.receive_str()) == CREATED
            for text in (*texts, large):
                await socket.send_str(text)
                assert await socket.receive_str() == text
            for data in (b"", os.urandom(200_000)):
                await socket.send_bytes(data)
                assert await socket.receive_bytes() == data
            await socket.close(code=1000)
        record = await proxy.only_record()

    assert record.decided["operation"] == "realtime"
    assert record.decided["dialect"] == "openai-realtime"
    assert record.decided["rule"] == "voices"
    assert record.ended is not None
    assert (record.ended["end"], record.ended["status"], record.ended["error"]) == ("--", 101, None)
    assert record.ended["session"]["closed_by"] == "client"
    assert record.ended["served"] == "voice-1-2026"


async def test_the_account_s_key_goes_up_and_the_client_s_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """However a key is shown, it is not in what goes upstream, in what comes back, in a log or in a record."""
    monkeypatch.setenv("VOICE_KEY", "sk-account")
    async with Voices(echo) as voices:
        policy = voice_policy(voices.base_url, accounts="[{name: main, key: {env: VOICE_KEY}}]")
        async with in_process(tmp_path, policy) as proxy:
            for more in (
                {"protocols": ["realtime", "openai-insecure-api-key.sk-mine"]},
                {"protocols": ["openai-insecure-api-key.sk-mine", "some-other"]},
                {"protocols": ["realtime", "openai-insecure-api-key.sk-mine", "openai-beta.realtime-v1"]},
                {"headers": {"Authorization": "Bearer sk-mine", "OpenAI-Beta": "realtime=v1"}},
            ):
                async with session(proxy, **more) as socket:
                    await socket.receive_str()
                    assert socket.protocol == ("realtime" if "realtime" in more.get("protocols", ()) else None)
                    assert "sk-mine" not in str(socket._response.headers)
            records = await proxy.ended_records(lambda records: len(records) == 4)

    assert [each.path for each in voices.upgrades] == ["/v1/realtime?model=voice-1"] * 4
    assert all(each.headers["Authorization"] == "Bearer sk-account" for each in voices.upgrades)
    assert [each.headers.get("OpenAI-Beta") for each in voices.upgrades] == [None, None, "realtime=v1", "realtime=v1"]
    printed = capfd.readouterr()
    assert "sk-mine" not in str(voices.upgrades) + str(records) + printed.out + printed.err


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/openai/v1/realtime?model=voice", "/v1/realtime?model=voice-1"),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=voice", "/v1/realtime?model=voice-1"),
        ("//v1//realtime?model=voice", "/v1/realtime?model=voice-1"),
        ("/v1/realtime?intent=transcription", "/v1/realtime?intent=transcription"),
    ],
)
async def test_a_session_is_found_at_all_its_addresses(tmp_path: Path, path: str, sent: str) -> None:
    """OpenAI's, both of Azure's, and what a slash too many makes of them."""
    async with (
        Voices(echo) as voices,
        in_process(tmp_path, voice_policy(voices.base_url)) as proxy,
        session(proxy, path) as socket,
    ):
        await socket.receive_str()
    assert voices.upgrades[0].path == sent


async def test_refusals_are_statuses_at_the_upgrade(tmp_path: Path) -> None:
    """Before there is a session, whoever asks hears why by HTTP, in OpenAI's words."""
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        assert (await refusal(proxy, "/v1/realtime"))[0] == 400
        status, headers, body = await refusal(proxy, Origin="https://elsewhere.example")
        assert (status, headers["x-routebook-error"], body["error"]["code"]) == (
            401,
            "caller.unknown",
            "caller.unknown",
        )
        for wrong in ({"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": "short"}, {"Connection": "keep-alive"}):
            assert (await refusal(proxy, **wrong))[0] == 400
        assert (await refusal(proxy, body=b"GET / HTTP/1.1\r\n\r\n"))[0] == 400
        async with aiohttp.ClientSession() as client, client.get(proxy.url + "/v1/realtime?model=a") as answer:
            assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
        voices.refusing = 400, {"error": {"message": "no such voice", "code": "bad_voice"}}
        status, headers, body = await refusal(proxy)
        assert (status, body["error"]["message"], body["error"]["code"]) == (400, "no such voice", "bad_voice")
        voices.refusing = 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        status, headers, body = await refusal(proxy)
        assert (status, headers["x-routebook-error"]) == (429, "upstream.overloaded")
        proxy.take(voice_policy(voices.base_url).replace("openai-realtime}", "gemini-live}"))
        status, headers, body = await refusal(proxy)
        assert (status, body["error"]["message"]) == (403, "no voice here")
        assert headers["x-routebook-rule"] == "nobody"
        records = await proxy.ended_records(lambda records: len(records) >= 4)
    assert not voices.open
    ends = {record.ended["end"] for record in records.values() if record.ended is not None}
    assert "--" not in ends


async def test_the_next_candidate_takes_a_session_that_the_first_refuses(tmp_path: Path) -> None:
    """By a status, by a first event that is an error, by leaving, or by not being there: the client sees none of it."""

    async def fail(socket: Any) -> None:
        await socket.send_str('{"type":"error","error":{"code":"model_not_found","message":"no"}}')

    async def leave(socket: Any) -> None:
        await socket.close(code=1011)

    async with Voices(echo) as good, Voices(fail) as failing, Voices(leave) as leaving, Voices(echo) as refusing:
        refusing.refusing = 503, {}
        away = "http://127.0.0.1:9/v1"
        policy = voice_policy(refusing.base_url, failing.base_url, leaving.base_url, away, good.base_url)
        policy = policy.replace("rules:", "settings: {retries: {attempts: 10}}\nrules:")
        async with in_process(tmp_path, policy) as proxy:
            async with session(proxy) as socket:
                assert json.loads(await socket.receive_str()) == CREATED
                assert socket._response.headers["x-routebook-model"] == "voice4"
            record = await proxy.only_record()
    assert record.ended is not None
    assert [each["code"] for each in record.ended["attempts"]] == [
        "upstream.failed",
        "upstream.error-event",
        "upstream.disconnected",
        "upstream.unreachable",
        None,
    ]


async def test_nobody_there_is_told_as_a_status(tmp_path: Path) -> None:
    """A client never hangs on an upgrade that nobody takes."""
    async with in_process(tmp_path, voice_policy("http://127.0.0.1:9/v1")) as proxy, aiohttp.ClientSession() as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(proxy.url + "/v1/realtime?model=voice")
    assert refused.value.status == 502


@pytest.mark.parametrize(("code", "error"), [(1000, None), (1011, "upstream.cut"), (4321, "upstream.cut")])
async def test_the_upstream_s_close_is_the_client_s(tmp_path: Path, code: int, error: str | None) -> None:
    """Code and reason; where it is not a good one, an error event says so first."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        await heard(socket)
        await socket.close(code=code, message=b"enough")

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy, autoclose=False) as socket:
            await socket.receive_str()
            await socket.send_str("{}")
            message = await socket.receive(timeout=10)
            if error is not None:
                told = json.loads(message.data)
                assert (told["type"], told["error"]["code"]) == ("error", error)
                message = await socket.receive(timeout=10)
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "enough")
        record = await proxy.only_record()
    assert record.ended is not None
    assert record.ended["error"] == error
    assert record.ended["end"] == ("--" if error is None else "UD")
    assert record.ended["session"]["closed_by"] == "upstream"
    assert record.ended["session"]["close_code"] == code


async def test_an_upstream_that_dies_is_told_and_closed(tmp_path: Path) -> None:
    """No client hangs: an error event, then a close with 1011."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        await heard(socket)
        socket._req.transport.abort()

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str("{}")
            assert json.loads((await socket.receive(timeout=10)).data)["error"]["code"] == "upstream.cut"
            assert (await socket.receive(timeout=10)).type is WSMsgType.CLOSE
            assert socket.close_code == 1011
        record = await proxy.only_record()
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.cut")


async def test_the_client_s_close_is_the_upstream_s_and_a_client_that_dies_is_noticed(tmp_path: Path) -> None:
    """The upstream hears the code; of a client that is gone, that it is gone."""
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.close(code=4001, message=b"bye")
        async with session(proxy) as socket:
            await socket.receive_str()
            socket._response.connection.transport.abort()
        records = await proxy.ended_records(lambda records: len(records) == 2)
        for _ in range(500):
            if len(voices.closes) == 2:
                break
            await asyncio.sleep(0.01)
    assert voices.closes[0] == 4001
    assert sorted(record.ended["end"] for record in records.values() if record.ended is not None) == ["--", "CD"]


async def test_what_was_used_is_priced_by_kind_with_a_line_for_each_response(tmp_path: Path) -> None:
    """Sound, text and what was cached of each; cancelled responses too."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        await heard(socket)
        await respond(socket, "resp_1", usage_of(100, 200, 60, 40, 10, 300))
        await respond(socket, "resp_2", usage_of(0, 50, 0, 0, 0, 20), "cancelled")
        await until_left(socket)

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str('{"type":"response.create"}')
            for _ in range(6):
                await socket.receive_str()
        record = await proxy.only_record()
    ended = record.ended
    assert ended is not None
    assert ended["usage"] == {
        "input": 40, "cached_input": 60, "audio_input": 210, "cached_audio_input": 40, "output": 10, "audio_output": 320,
    }  # fmt: skip
    assert ended["usage_by"] == "measured"
    assert ended["cost"] == 40 * 4_000 + 60 * 400 + 210 * 32_000 + 40 * 400 + 10 * 16_000 + 320 * 64_000
    lines = ended["session"]["responses"]
    assert [(line["id"], line["status"]) for line in lines] == [("resp_1", "completed"), ("resp_2", "cancelled")]
    assert sum(line["cost"] for line in lines) == ended["cost"]
    assert all(line["asked"] <= line["spoke"] <= line["ended"] for line in lines)


SCRIBE = "  {name}: {{provider: p0, id: whisper-1, operations: [transcription], price: {{minute: 0.006}}}}\n"


@pytest.mark.parametrize("name", ["scribe", None])
async def test_what_is_written_down_by_the_second_costs_what_the_minute_does(tmp_path: Path, name: str | None) -> None:
    """By the price of the model of that provider with its id; without one the record says that it has no price."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        await heard(socket)
        writes = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
        await socket.send_str(json.dumps({"type": "session.updated", "session": writes}))
        done = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1"}
        for seconds in (90, 0.5, 0):
            await socket.send_str(json.dumps({**done, "usage": {"type": "duration", "seconds": seconds}}))
        await until_left(socket)

    more = "" if name is None else SCRIBE.format(name=name)
    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url, more=more)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str('{"type":"session.update"}')
            for _ in range(4):
                await socket.receive_str()
        ended = (await proxy.only_record()).ended
    assert ended is not None
    lines = ended["session"]["responses"]
    assert [(line["status"], line["usage"]) for line in lines] == [
        ("transcription", {"heard_ms": 90_000}),
        ("transcription", {"heard_ms": 500}),
    ]
    assert ended["usage"] == {"heard_ms": 90_500} and ended["session"]["transcribed_seconds"] == 90.5
    assert ended["cost"] == sum(line["cost"] for line in lines) == (9_050_000 if name else 0)
    assert ended["cost_parts"] == ({"heard_ms": 9_050_000} if name else {})
    assert ended.get("unpriced", []) == ([] if name else ["transcription"])


async def test_a_response_whose_end_nobody_saw_is_estimated(tmp_path: Path) -> None:
    """By what passed of it, and marked as such."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        await heard(socket)
        await socket.send_str('{"type":"response.created","response":{"id":"resp_1"}}')
        sound = {"type": "response.output_audio.delta", "response_id": "resp_1", "delta": "A" * 32_000}
        await socket.send_str(json.dumps(sound))
        await asyncio.sleep(0.05)
        socket._req.transport.abort()

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str('{"type":"response.create"}')
            async for _ in socket:
                pass
        record = await proxy.only_record()
    assert record.ended is not None
    assert record.ended["usage_by"] == "estimated"
    assert record.ended["usage"]["audio_output"] == 10
    assert record.ended["session"]["responses"][0]["status"] == "unconfirmed"


BUDGET = "budgets:\n  voice: {limit: $0.30, window: 30d}\n"


async def test_a_response_that_ends_as_the_client_says_goodbye_is_booked(tmp_path: Path) -> None:
    """Both arrive in one turn of the loop, the goodbye first: what the upstream has counted is spent all the same."""
    sockets: list[Any] = []
    begun = {"type": "response.created", "response": {"id": "r1"}}
    done = {
        "type": "response.done",
        "response": {"id": "r1", "status": "completed", "usage": usage_of(9, 0, 0, 0, 7, 0)},
    }

    async def talk(socket: Any) -> None:
        sockets.append(socket)
        await greet(socket)
        await heard(socket)
        await socket.send_str(json.dumps(begun))
        await until_left(socket)

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_json({"type": "response.create"})
            assert json.loads(await socket.receive_str()) == begun
            await socket._writer.close(1000, b"")
            await sockets[0].send_str(json.dumps(done))
            await socket.receive()
        record = await proxy.only_record()

    assert record.ended is not None
    (response,) = record.ended["session"]["responses"]
    assert response["status"] == "completed" and response["usage_by"] == "measured"
    assert response["cost"] == 9 * 4000 + 7 * 16000


async def test_a_budget_that_runs_out_stops_the_next_response(tmp_path: Path) -> None:
    """The one that runs is heard to its end; the next is answered with an error event that names the client's event."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        while await heard(socket) is not None:
            await respond(socket, "resp_1", usage_of(0, 0, 0, 0, 0, 3_000))

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url, more=BUDGET)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str('{"type":"response.create","event_id":"one"}')
            assert [json.loads(await socket.receive_str())["type"] for _ in range(3)][-1] == "response.done"
            await socket.send_str('{"type":"response.create","event_id":"two"}')
            told = json.loads(await socket.receive_str(timeout=10))
            assert (told["error"]["code"], told["error"]["event_id"]) == ("budget.exhausted", "two")
        record = await proxy.only_record()
        status, headers, _ = await refusal(proxy)
    assert (status, headers["x-routebook-error"]) == (429, "budget.exhausted")
    assert record.ended is not None
    assert record.ended["cost"] == 3_000 * 64_000
    assert [each[2] for each in record.ended["settled"]] == [3_000 * 64_000]


async def test_sound_is_not_passed_on_where_the_upstream_would_answer_it(tmp_path: Path) -> None:
    """An upstream that finds the end of what is said by itself needs nobody to ask it; it is told once why."""
    created = {**CREATED, "session": {"model": "v", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}}
    came: list[Any] = []

    async def talk(socket: Any) -> None:
        await socket.send_str(json.dumps(created))
        while (event := await heard(socket)) is not None:
            came.append(event)
            if len(came) == 1:
                await respond(socket, "resp_1", usage_of(0, 0, 0, 0, 0, 3_000))

    append = '{"type":"input_audio_buffer.append","audio":"AAAA"}'
    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url, more=BUDGET)) as proxy:
        async with session(proxy) as socket:
            await socket.receive_str()
            await socket.send_str(append)
            for _ in range(3):
                await socket.receive_str()
            for _ in range(5):
                await socket.send_str(append)
            assert json.loads(await socket.receive_str(timeout=10))["error"]["code"] == "budget.exhausted"
            await socket.send_str('{"type":"conversation.item.create"}')
        await proxy.only_record()
    assert [each["type"] for each in came if each["type"] != "input_audio_buffer.append"] == [
        "conversation.item.create"
    ]
    assert sum(each["type"] == "input_audio_buffer.append" for each in came) == 1


async def test_a_session_ends_when_nothing_is_said_or_it_lasts_too_long(tmp_path: Path) -> None:
    """The client hears why; the record says that it was time."""
    async with Voices(echo) as voices:
        for setting, code in (("idle: 200ms", "session.idle"), ("longest: 1s", "session.too-long")):
            more = f"settings: {{sessions: {{{setting}}}}}\n"
            async with in_process(tmp_path / code, voice_policy(voices.base_url, more=more)) as proxy:
                async with session(proxy) as socket:
                    await socket.receive_str()
                    assert json.loads(await socket.receive_str(timeout=20))["error"]["code"] == code
                    assert (await socket.receive(timeout=10)).type is WSMsgType.CLOSE
                record = await proxy.only_record()
            assert record.ended is not None
            assert (record.ended["end"], record.ended["error"]) == ("TD", code)


async def test_a_reload_leaves_sessions_alone(tmp_path: Path) -> None:
    """A session keeps the policy it began with; the next one is decided by the new one."""
    async with (
        Voices(echo) as voices,
        in_process(tmp_path, voice_policy(voices.base_url)) as proxy,
        session(proxy) as socket,
    ):
        await socket.receive_str()
        proxy.take(voice_policy(voices.base_url).replace("openai-realtime}", "gemini-live}"))
        await socket.send_str("still here")
        assert await socket.receive_str() == "still here"
        assert (await refusal(proxy))[0] == 403


async def test_a_drain_ends_a_quiet_session_and_lets_a_response_end(tmp_path: Path) -> None:
    """A session in which nothing runs is told at once; one that answers, after its answer."""
    finish = asyncio.Event()

    async def talk(socket: Any) -> None:
        await greet(socket)
        if await heard(socket) is not None:
            await socket.send_str('{"type":"response.created","response":{"id":"r"}}')
            await finish.wait()
            await socket.send_str('{"type":"response.done","response":{"id":"r","status":"completed"}}')
            await until_left(socket)

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as quiet, session(proxy) as busy:
            await quiet.receive_str()
            await busy.receive_str()
            await busy.send_str('{"type":"response.create"}')
            await busy.receive_str()
            draining = asyncio.create_task(proxy.listener.drain(20))
            assert json.loads(await quiet.receive_str(timeout=10))["error"]["code"] == "gateway.draining"
            assert (await quiet.receive(timeout=10)).data == 1001
            finish.set()
            assert json.loads(await busy.receive_str(timeout=10))["type"] == "response.done"
            assert json.loads(await busy.receive_str(timeout=10))["error"]["code"] == "gateway.draining"
            await busy.close()
            await draining
        records = proxy.records()
    assert {record.ended["end"] for record in records.values() if record.ended is not None} == {"GD"}


async def test_a_client_that_takes_nothing_holds_the_upstream_back(tmp_path: Path) -> None:
    """What waits on the way is bounded: an upstream that speaks faster than a client listens is made to wait."""
    passed = 0

    async def flood(socket: Any) -> None:
        nonlocal passed
        await greet(socket)
        for _ in range(2_000):
            await socket.send_str("x" * 65_536)
            passed += 1

    async with (
        Voices(flood) as voices,
        in_process(tmp_path, voice_policy(voices.base_url)) as proxy,
        session(proxy) as socket,
    ):
        socket._response.connection.transport.pause_reading()
        before = -1
        while before != passed:
            before = passed
            await asyncio.sleep(0.5)
        assert passed < 1_000
        socket._response.connection.transport.abort()
