"""The page that talks, in a real browser with a microphone that plays a file: what is sent, what is heard, what is shown."""

from __future__ import annotations

import array
import asyncio
import base64
import json
import math
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, WebSocket, expect

from routebook.edge.admin.route import Role
from tests.support.admin import make_token
from tests.support.browser import browsing, looking, needs_axe, needs_browser
from tests.support.certificates import trusting, written
from tests.support.proxy import RunningProxy, running_proxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_browser]

RATE = 24_000
SPOKEN = 800
"""Hertz of what the microphone hears; the simulated model speaks with 440."""

POLICY = """\
version: 1
providers:
  vendor: {dialect: openai, base_url: "http://vendor.example/v1", accounts: [{name: main}]}
  other: {dialect: gemini, base_url: "http://other.example/v1beta", accounts: [{name: main}]}
models:
  voice: {provider: vendor, id: voice-1, operations: [realtime], max_output: 4k,
          price: {input: 4, audio_input: 32, output: 16, audio_output: 64}}
  slow-voice: {provider: vendor, id: "voice-1@pace=500ms", operations: [realtime], max_output: 4k,
               price: {input: 4, audio_input: 32, output: 16, audio_output: 64}}
  live: {provider: other, id: live-1, operations: [realtime], max_output: 4k,
         price: {input: 1, audio_input: 3, output: 2, audio_output: 12}}
  closed: {provider: vendor, id: voice-9, operations: [realtime], max_output: 4k, price: {input: 1, output: 1}}
  scribe: {provider: vendor, id: scribe-1, operations: [transcription], price: {input: 2, audio_input: 6, output: 10}}
clients: {shop: {tags: [sales]}, lab: {}}
budgets:
  lab-day: {limit: $0.00000001, window: day, when: {client.name: lab}}
rules:
  - {name: not-that-one, when: {request.model: closed}, refuse: {status: 403, message: nobody talks to this one, code: closed_voice}}
  - {name: voices, when: {request.operation: realtime}, route: {to: requested}}
  - {name: others, refuse: {status: 403}}
"""

OVERHEAR = """
// what goes to the loudspeaker is also looked at: the strongest frequency, while there is one
window.heard = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (...to) {
  if (to[0] === this.context.destination) {
    const ear = new AnalyserNode(this.context, { fftSize: 4096 });
    connect.call(this, ear);
    const found = new Float32Array(ear.frequencyBinCount);
    setInterval(() => {
      ear.getFloatFrequencyData(found);
      const most = found.indexOf(Math.max(...found));
      if (found[most] > -40) window.heard.push((most * this.context.sampleRate) / ear.fftSize);
      else window.heard.push(0);
    }, 50);
  }
  return connect.apply(this, to);
};
"""


def recording(place: Path, *parts: tuple[int, int], rate: int = 44_100) -> Path:
    """A WAV file of tones: (hertz, milliseconds); 0 Hz is silence."""
    samples = array.array("h")
    for hertz, ms in parts:
        for n in range(rate * ms // 1000):
            samples.append(round(12_000 * math.sin(2 * math.pi * hertz * n / rate)))
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return place


def hertz(samples: array.array[int]) -> float:
    """The pitch of a tone, by how often it crosses zero upwards."""
    ups = [n for n in range(1, len(samples)) if samples[n - 1] < 0 <= samples[n]]
    return (len(ups) - 1) * RATE / (ups[-1] - ups[0])


@dataclass(slots=True)
class Stage:
    """A service that serves voices, and a browser whose microphone hears a tone."""

    proxy: RunningProxy
    browser: Any
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One service and one browser for all tests of this file."""
    folder = tmp_path_factory.mktemp("talk")
    heard = recording(folder / "microphone.wav", (0, 400), (SPOKEN, 700), (0, 60_000), rate=48_000)
    ear = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    hears = f"--use-file-for-fake-audio-capture={heard}%noloop"
    async with (
        running_proxy(folder, POLICY, "--simulate") as proxy,
        browsing(*ear, hears, "--autoplay-policy=no-user-gesture-required") as browser,
    ):
        yield Stage(proxy, browser, folder)


@dataclass
class Line:
    """What goes over the page's WebSocket."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)

    def attach(self, socket: WebSocket) -> None:
        """Listen to a socket of the page."""
        socket.on("framesent", lambda frame: self.sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: self.came.append(json.loads(frame)))

    def kinds(self) -> list[str]:
        """The types of what came."""
        return [each["type"] for each in self.came]

    def sound(self) -> array.array[int]:
        """All sound that came."""
        deltas = [each["delta"] for each in self.came if each["type"] == "response.output_audio.delta"]
        return array.array("h", b"".join(base64.b64decode(each) for each in deltas))

    def said(self) -> array.array[int]:
        """All sound that was sent."""
        pieces = [each["audio"] for each in self.sent if each["type"] == "input_audio_buffer.append"]
        return array.array("h", b"".join(base64.b64decode(each) for each in pieces))


async def begun(page: Page, stage: Stage, model: str, client: str = "shop") -> Line:
    """A session with a model, on the page."""
    line = Line()
    page.on("websocket", line.attach)
    await page.add_init_script(OVERHEAR)
    await page.goto(f"{stage.proxy.admin}/console/talk?model={model}&client={client}")
    await page.get_by_role("button", name="Start").click()
    return line


async def holds(page: Page, condition: str) -> None:
    """Wait until something is so; the page's own policy keeps Playwright from waiting within it."""
    async with asyncio.timeout(60):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.05)


async def ended(page: Page) -> str:
    """End the session on the page; its record's id."""
    identity = await page.locator("#record a").inner_text()
    await page.get_by_role("button", name="End", exact=True).click()
    await expect(page.locator("#start")).to_be_enabled()
    return identity


async def test_what_is_spoken_is_answered_and_heard(stage: Stage) -> None:
    """The microphone's sound arrives at 24 kHz as it was, the answer is played as the tone that it is, and everything about
    it is shown: words, time to the first sound, tokens, cost, and the record."""
    async with looking(stage.browser, permissions=["microphone"]) as seen:
        page = seen.page
        line = await begun(page, stage, "voice")
        await expect(page.locator("#state")).to_contain_text("talking")
        await page.get_by_role("button", name="Microphone").click()
        await expect(page.locator("#responses tr td").nth(1)).to_contain_text("completed", timeout=60_000)
        await expect(page.locator("#responses tr td").nth(5)).to_contain_text("$")
        await holds(page, "window.heard.at(-1) === 0 && window.heard.some((each) => each > 0)")
        heard = await page.evaluate("window.heard.filter((each) => each > 0)")
        said = await page.locator("#said li").all_inner_texts()
        cells = await page.locator("#responses tr").first.locator("td").all_inner_texts()
        identity = await ended(page)
        await expect(page.locator("#cost")).to_contain_text("$")
        await expect(page.locator("#state")).to_contain_text("ended")
        assert seen.said == [] and await seen.refusals() == []
    record = await stage.proxy.record(identity)

    loud = [n for n, sample in enumerate(line.said()) if abs(sample) > 2000]
    spoken = line.said()[loud[0] : loud[-1]]
    assert hertz(spoken) == pytest.approx(SPOKEN, abs=2)
    assert len(spoken) / RATE == pytest.approx(0.7, abs=0.03)
    assert hertz(line.sound()) == pytest.approx(440, abs=1)
    assert sorted(heard)[len(heard) // 2] == pytest.approx(440, abs=RATE / 4096)
    assert said[0].startswith("You") and "seconds of sound" in said[0] and said[1].startswith("voice")
    assert cells[2].endswith("s") and "+" in cells[4]
    assert record.decided["client"] == "shop" and record.ended is not None
    assert record.ended["end"] == "--" and record.ended["session"]["responses"][-1]["cost"] > 0


TAKEN = """async ([rate, hertz]) => {
  const context = new OfflineAudioContext(1, rate, rate);
  await context.audioWorklet.addModule(document.getElementById("with").dataset.sound);
  const taker = new AudioWorkletNode(context, "taker", { numberOfOutputs: 0 });
  const pieces = [];
  taker.port.onmessage = ({ data }) => pieces.push(...data);
  const tone = new OscillatorNode(context, { frequency: hertz });
  tone.connect(new GainNode(context, { gain: 0.5 })).connect(taker);
  tone.start();
  await context.startRendering();
  await new Promise((wake) => setTimeout(wake, 200));
  return pieces;
}"""


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
async def test_a_microphone_of_any_rate_is_taken_as_it_sounds(stage: Stage, rate: int) -> None:
    """A tone comes out as itself, with a hundredth of a hundredth of its power elsewhere; what 24 kHz cannot hold is left
    out, and does not come out as another tone."""
    async with looking(stage.browser) as seen:
        await seen.page.goto(f"{stage.proxy.admin}/console/talk")
        low = array.array("h", await seen.page.evaluate(TAKEN, [rate, 1000]))[960:-960]
        high = array.array("h", await seen.page.evaluate(TAKEN, [rate, 15_000]))[960:-960] if rate > 40_000 else []
    assert hertz(low) == pytest.approx(1000, abs=0.5)
    angles = [2 * math.pi * 1000 * n / RATE for n in range(len(low))]
    sine = 2 * sum(sample * math.sin(angle) for sample, angle in zip(low, angles, strict=True)) / len(low)
    cosine = 2 * sum(sample * math.cos(angle) for sample, angle in zip(low, angles, strict=True)) / len(low)
    rest = sum(
        (sample - sine * math.sin(angle) - cosine * math.cos(angle)) ** 2
        for sample, angle in zip(low, angles, strict=True)
    )
    assert math.hypot(sine, cosine) == pytest.approx(0.5 * 32767, rel=0.01)
    assert rest / len(low) < 1e-4 * 0.5 * math.hypot(sine, cosine) ** 2
    assert max((abs(sample) for sample in high), default=0) < 0.01 * 0.5 * 32767


async def test_a_file_is_said_and_text_is_answered(stage: Stage) -> None:
    """Of two channels and another rate, at the pace at which it plays; then a question in writing, by keyboard alone."""
    async with looking(stage.browser) as seen:
        page = seen.page
        line = await begun(page, stage, "voice")
        await expect(page.locator("#state")).to_contain_text("talking")
        spoken = recording(stage.folder / "said.wav", (600, 500))
        await page.locator("#file").set_input_files(spoken)
        await expect(page.locator("#responses tr td").nth(1)).to_contain_text("completed", timeout=60_000)
        await page.locator("#text").focus()
        await page.keyboard.type("How are you?")
        await page.keyboard.press("Enter")
        await expect(page.locator("#responses tr").nth(1).locator("td").nth(1)).to_contain_text("completed")
        words = await page.locator("#said").inner_text()
        await ended(page)
        assert seen.said == [] and await seen.refusals() == []
    loud = [n for n, sample in enumerate(line.said()) if abs(sample) > 2000]
    assert hertz(line.said()[loud[0] : loud[-1]]) == pytest.approx(600, abs=2)
    assert "How are you?" in words


async def test_who_speaks_over_an_answer_stops_its_sound(stage: Stage) -> None:
    """The upstream hears it and cancels; the page plays nothing more, and takes back what was not heard. The button and the
    Escape key do the same without a word."""
    async with looking(stage.browser) as seen:
        page = seen.page
        line = await begun(page, stage, "slow-voice")
        await expect(page.locator("#state")).to_contain_text("talking")
        await page.locator("#text").fill("Tell me something long, please, about the sea")
        await page.locator("#text").press("Enter")
        await holds(page, "window.heard.some((each) => each > 0)")
        await page.locator("#file").set_input_files(recording(stage.folder / "over.wav", (600, 300)))
        await expect(page.locator("#responses tr").nth(0).locator("td").nth(1)).to_contain_text("cancelled")
        await expect(page.locator("#responses tr").nth(1).locator("td").nth(2)).to_contain_text("s", timeout=30_000)
        await page.keyboard.press("Escape")
        await expect(page.locator("#responses tr").nth(1).locator("td").nth(1)).to_contain_text("cancelled")
        await holds(page, "window.heard.slice(-4).every((each) => each === 0)")
        identity = await ended(page)
        events = await page.locator("#events li").all_inner_texts()
        assert seen.said == [] and await seen.refusals() == []
    record = await stage.proxy.record(identity)

    assert any("input_audio_buffer.append × " in each for each in events) and len(events) < len(line.came) + len(
        line.sent
    )
    at = line.kinds().index("input_audio_buffer.speech_started")
    assert "response.done" in line.kinds()[at:]
    assert [each["type"] for each in line.sent].count("response.cancel") == 1
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [each["status"] for each in lines if each["status"] != "transcription"] == ["cancelled", "cancelled"]


async def test_a_model_of_the_other_api_is_talked_to_as_well(stage: Stage) -> None:
    """The page speaks Realtime; the proxy translates."""
    async with looking(stage.browser) as seen:
        page = seen.page
        line = await begun(page, stage, "live")
        await expect(page.locator("#state")).to_contain_text("talking")
        await page.locator("#text").fill("Hello")
        await page.locator("#text").press("Enter")
        await expect(page.locator("#responses tr td").nth(1)).to_contain_text("completed", timeout=30_000)
        await ended(page)
        assert seen.said == []
    assert hertz(line.sound()[2400:-2400]) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("model", "client", "words", "code"),
    [("closed", "shop", "nobody talks to this one", "403 closed_voice"), ("voice", "lab", "lab-day", "429")],
)
async def test_a_refusal_is_said_in_words(stage: Stage, model: str, client: str, words: str, code: str) -> None:
    """What rules and budgets refuse, they refuse to the page too; a browser would not have shown why."""
    async with looking(stage.browser) as seen:
        await begun(seen.page, stage, model, client)
        await expect(seen.page.locator("#state")).to_contain_text(words)
        await expect(seen.page.locator("#record")).to_contain_text(code)
        await expect(seen.page.locator("#start")).to_be_enabled()
        assert await seen.refusals() == []


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_kept_out_while_it_talks(stage: Stage, scheme: Any) -> None:
    """axe-core finds nothing serious while there is something of everything on the page, on a phone too."""
    for viewport in ({"width": 1360, "height": 850}, {"width": 390, "height": 844}):
        async with looking(stage.browser, bypass_csp=True, color_scheme=scheme, viewport=viewport) as seen:
            await begun(seen.page, stage, "voice")
            await expect(seen.page.locator("#state")).to_contain_text("talking")
            await seen.page.locator("#text").fill("Hello")
            await seen.page.locator("#text").press("Enter")
            await expect(seen.page.locator("#responses tr td").nth(5)).to_contain_text("$")
            await seen.page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
            assert await seen.barriers() == []
            assert not await seen.too_wide()


def socket_address(proxy: RunningProxy, query: str = "model=voice&client=shop") -> str:
    """Where the page's WebSocket is."""
    return f"{proxy.admin}/console/talk/session?{query}"


@pytest.mark.parametrize(
    ("origin", "query", "status"),
    [
        ("http://evil.example", "model=voice&client=shop", 403),
        (None, "model=voice&client=shop", 403),
        ("own", "model=voice&client=nobody", 400),
        ("own", "model=voice", 400),
        ("own", "client=shop", 400),
    ],
)
async def test_only_the_console_itself_may_talk(stage: Stage, origin: str | None, query: str, status: int) -> None:
    """No other page, nothing without an origin, no client that the policy does not know."""
    headers = {} if origin is None else {"Origin": stage.proxy.admin if origin == "own" else origin}
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(socket_address(stage.proxy, query), headers=headers)
    assert refused.value.status == status


@pytest.mark.parametrize("asks", [False, True])
async def test_it_talks_in_tls_and_says_where_it_cannot(tmp_path: Path, asks: bool) -> None:
    """Where both listeners speak TLS, the console trusts the service's own certificate and no other; where clients must show
    one of theirs, it has none, and says so."""
    made = written(tmp_path / "tls", "service.example")
    options = [*made.options(asks=asks), *made.options("admin-")]
    trust = trusting()
    trust.check_hostname = False
    async with (
        running_proxy(tmp_path, POLICY, "--simulate", *options, trust=trust) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client,
        client.ws_connect(socket_address(proxy), headers={"Origin": proxy.admin}) as socket,
    ):
        told = json.loads(await socket.receive_str())
    if asks:
        assert told["type"] == "routebook.refused" and "certificate" in told["message"]
    else:
        assert told["type"] == "routebook.began" and told["model"] == "voice"


async def test_it_takes_a_token_that_may_operate_and_ends_with_it(stage: Stage, tmp_path: Path) -> None:
    """Reading is not enough; who signs out, or loses the token, talks no more."""
    async with running_proxy(tmp_path, POLICY, "--simulate") as proxy, aiohttp.ClientSession() as client:
        own = {"Origin": proxy.admin}
        reads, _ = make_token(proxy.state_dir, Role.READ)
        operates, _ = make_token(proxy.state_dir, Role.OPERATE)
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {reads}"}, 403)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(socket_address(proxy), headers={**own, **headers})
            assert refused.value.status == status
        entered = await client.post(
            f"{proxy.admin}/console/login", data={"token": operates}, headers=own, allow_redirects=False
        )
        session = {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]}
        async with client.ws_connect(socket_address(proxy), headers={**own, **session}) as socket:
            assert json.loads(await socket.receive_str())["type"] == "routebook.began"
            await client.post(f"{proxy.admin}/console/logout", headers={**own, **session}, allow_redirects=False)
            async with asyncio.timeout(30):
                kinds = [json.loads(each.data)["type"] async for each in socket]
        assert kinds[-1] == "routebook.ended" and socket.close_code == 1008
        (record,) = (await proxy.ended_records()).values()
        assert record.decided["client"] == "shop"
        assert operates not in proxy.log and "ek_rb_" not in proxy.log
