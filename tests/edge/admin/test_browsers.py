"""What a browser gets of the admin listener: the console, for itself, after signing in; and whom that does not let in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from routebook.edge.admin import tokens
from routebook.edge.admin.route import Role
from routebook.edge.admin.sessions import LIFETIME, MOST, Sessions
from tests.support.admin import ask, code_of, make_token
from tests.support.browser import browsing, looking, needs_browser
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = ("Content-Type", "application/x-www-form-urlencoded")
PAGE = ("Accept", "text/html,application/xhtml+xml")


@dataclass(slots=True)
class Guarded:
    """A service with a token of each role, made before it was asked for anything."""

    proxy: RunningProxy
    read: str
    operate: str

    @property
    def host(self) -> str:
        """What a browser calls it."""
        return self.proxy.admin.removeprefix("http://")

    @property
    def own(self) -> tuple[str, str]:
        """What a browser says of a form that a page of the service sends."""
        return ("Origin", self.proxy.admin)

    async def ask(self, method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> Answer:
        """A request as a browser sends it."""
        return await ask(self.proxy.admin, method, target, *headers, body=body, host=self.host)

    async def enter(self, token: str, *headers: tuple[str, str]) -> Answer:
        """Sign in."""
        return await self.ask("POST", "/console/login", FORM, *headers, body=urlencode({"token": token}).encode())

    async def session(self, token: str) -> tuple[str, str]:
        """The cookie of a session that was opened with this token."""
        answer = await self.enter(token, self.own)
        assert answer.status == 303, answer.body
        return ("Cookie", (answer.header("set-cookie") or "").partition(";")[0])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """One service for all tests of this file."""
    async with running_proxy(tmp_path_factory.mktemp("browsers"), small_policy("http://127.0.0.1:9/v1")) as proxy:
        yield Guarded(proxy, make_token(proxy.state_dir, Role.READ)[0], make_token(proxy.state_dir, Role.OPERATE)[0])


async def test_a_session_opens_the_console_and_nothing_else(guarded: Guarded) -> None:
    """The cookie is for pages; the routes of programs go on asking for a token."""
    cookie = await guarded.session(guarded.read)
    assert (await guarded.ask("GET", "/console", cookie)).status == 200
    assert (await guarded.ask("GET", "/console/decisions.json", cookie)).status == 200
    for target in ("/policy", "/decisions", "/metrics", "/keys"):
        assert code_of(await guarded.ask("GET", target, cookie)) == "admin.no-token"


async def test_the_cookie_can_be_read_by_no_script_and_sent_by_no_other_site(guarded: Guarded) -> None:
    """And over TLS, by nobody else either; the token itself stands nowhere in it."""
    said = (await guarded.enter(guarded.read, guarded.own)).header("set-cookie") or ""
    attributes = {part.strip() for part in said.split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= attributes and "Secure" not in attributes
    assert guarded.read not in said and guarded.read not in guarded.proxy.log
    behind_tls = await guarded.enter(guarded.read, ("Origin", f"https://{guarded.host}"))
    assert "Secure" in (behind_tls.header("set-cookie") or "")


async def test_whoever_may_read_cannot_operate_from_a_page(guarded: Guarded) -> None:
    """The roles are those of the token that the session was opened with, and pages offer what they allow."""
    reading, operating = await guarded.session(guarded.read), await guarded.session(guarded.operate)
    refused = await guarded.ask("POST", "/console/history/reload", reading, guarded.own)
    assert (refused.status, code_of(refused)) == (403, "admin.wrong-role")
    assert (await guarded.ask("POST", "/console/history/reload", operating, guarded.own)).status == 303
    assert b"Reload now" not in (await guarded.ask("GET", "/console/history", reading)).body
    assert b"Reload now" in (await guarded.ask("GET", "/console/history", operating)).body
    said = [json.loads(line) for line in guarded.proxy.log.splitlines() if '"operated"' in line]
    assert said[-1]["path"] == "/console/history/reload"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""])
async def test_a_form_of_another_page_changes_nothing(guarded: Guarded, origin: str) -> None:
    """Whatever it brings: another site, another port of this machine, a page without an origin."""
    cookie = await guarded.session(guarded.operate)
    for target in ("/console/history/reload", "/console/logout", "/console/what-if", "/console/login"):
        refused = await guarded.ask("POST", target, cookie, FORM, ("Origin", origin))
        assert (refused.status, code_of(refused)) == (403, "admin.browser"), target
    assert (await guarded.ask("GET", "/console", cookie)).status == 200


async def test_a_form_must_say_where_it_comes_from(guarded: Guarded) -> None:
    """Every browser says it; a session without it is somebody who hides it."""
    cookie = await guarded.session(guarded.operate)
    refused = await guarded.ask("POST", "/console/history/reload", cookie)
    assert (refused.status, code_of(refused)) == (403, "admin.from-elsewhere")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_page_loads_is_refused(guarded: Guarded, site: str) -> None:
    """Pictures, scripts, frames and requests of other pages, on every route, with a session or a token."""
    cookie = await guarded.session(guarded.operate)
    token = ("Authorization", f"Bearer {guarded.operate}")
    for kind in ("image", "script", "iframe", "empty"):
        more = ("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", kind), ("Sec-Fetch-Mode", "no-cors")
        for target in ("/console", "/console/decisions.csv", "/console/console.js", "/decisions", "/metrics"):
            refused = await guarded.ask("GET", target, cookie, token, *more)
            assert (refused.status, code_of(refused)) == (403, "admin.browser"), target


async def test_a_link_on_another_page_leads_in_by_way_of_the_doorstep(guarded: Guarded) -> None:
    """The browser leaves the session out then: a page that says nothing leads on to the same address."""
    followed = ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")
    answer = await guarded.ask("GET", "/console/decisions?rule=a&client=b", PAGE, *followed)
    assert answer.status == 200
    assert b'content="0; url=/console/decisions?rule=a&amp;client=b"' in answer.body
    framed = await guarded.ask("GET", "/console", PAGE, followed[0], followed[1], ("Sec-Fetch-Dest", "iframe"))
    assert framed.status == 403


async def test_a_session_ends_with_its_token(guarded: Guarded) -> None:
    """Revoked, the token's sessions are over with the next request."""
    secret, identity = make_token(guarded.proxy.state_dir, Role.READ)
    cookie = await guarded.session(secret)
    assert (await guarded.ask("GET", "/console", cookie)).status == 200
    tokens.revoke(guarded.proxy.state_dir, identity, tokens.now())
    assert code_of(await guarded.ask("GET", "/console", cookie)) == "admin.revoked-token"


async def test_signing_out_ends_the_session(guarded: Guarded) -> None:
    """On the service, not only in the browser."""
    cookie = await guarded.session(guarded.read)
    assert (await guarded.ask("POST", "/console/logout", cookie, guarded.own)).status == 303
    assert code_of(await guarded.ask("GET", "/console", cookie)) == "admin.no-token"


@pytest.mark.parametrize("token", ["wrong", "rba_" + "a" * 43, "\u2028<script>", "é" * 40])
async def test_what_is_no_token_opens_nothing(guarded: Guarded, token: str) -> None:
    """And is said to be none, without a word of it."""
    refused = await guarded.enter(token, guarded.own, PAGE)
    assert refused.status == 401 and refused.header("set-cookie") is None
    assert b"admin.unknown-token" in refused.body and token.encode() not in refused.body


@pytest.mark.parametrize(
    "then", ["//evil.example", "http://evil.example", "/console\r\nX: y", "/policy", "/consoles", "\\\\x"]
)
async def test_signing_in_leads_nowhere_else(guarded: Guarded, then: str) -> None:
    """Only to an address of the console."""
    body = urlencode({"token": guarded.read, "then": then}).encode()
    refused = await guarded.ask("POST", "/console/login", FORM, guarded.own, body=body)
    assert (refused.status, code_of(refused)) == (400, "admin.bad-request")


async def test_every_page_is_guarded(guarded: Guarded) -> None:
    """What is shown, what is refused and what leads on: no frame, no inline script, no copy in a cache, no guessing."""
    cookie = await guarded.session(guarded.read)
    for target, headers in (("/console", (cookie, PAGE)), ("/console", (PAGE,)), ("/console/x", (cookie, PAGE))):
        answer = await guarded.ask("GET", target, *headers)
        policy = answer.header("content-security-policy") or ""
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("cache-control") == "no-store"


@needs_browser
async def test_somebody_signs_in_looks_around_and_signs_out(guarded: Guarded) -> None:
    """In a real browser: the page that was asked for is shown after signing in, and not after signing out."""
    async with browsing() as browser, looking(browser) as seen:
        page = seen.page
        await page.goto(f"{guarded.proxy.admin}/console/budgets")
        assert await page.locator("h1").inner_text() == "Sign in"
        await page.get_by_label("Admin token").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("alert").wait_for()
        await page.goto(f"{guarded.proxy.admin}/console/budgets")
        await page.get_by_label("Admin token").fill(guarded.operate)
        await page.get_by_role("button", name="Sign in").click()
        await page.locator("h1", has_text="Budgets").wait_for()
        assert page.url.endswith("/console/budgets")
        assert await page.evaluate("document.cookie") == ""
        await page.goto(f"{guarded.proxy.admin}/console/models")
        await page.get_by_role("button", name="Rest 10 min").click()
        await page.get_by_role("button", name="Let back in").wait_for()
        assert await seen.refusals() == []
        await page.get_by_role("button", name="Sign out").click()
        await page.locator("h1", has_text="Sign in").wait_for()
        await page.goto(f"{guarded.proxy.admin}/console/models")
        assert await page.locator("h1").inner_text() == "Sign in"


async def test_sessions_end_by_themselves_and_are_bounded(tmp_path: Path) -> None:
    """After a working day; and of too many, the oldest."""
    sessions, now = Sessions(), datetime(2026, 11, 21, 8, tzinfo=UTC)
    first = sessions.open("token", now)
    assert sessions.token_of(first, now + LIFETIME - timedelta(seconds=1)) == "token"
    assert sessions.token_of(first, now + LIFETIME) is None
    assert sessions.token_of("", now) is None
    for _ in range(MOST):
        sessions.open("token", now)
    assert sessions.token_of(first, now) is None
