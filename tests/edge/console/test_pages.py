"""Every page in a real browser, with real decisions behind it: by day, by night and on a phone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.edge.console.house import HOSTILE, house
from tests.support.asking import ask, chat
from tests.support.browser import browsing, looking, needs_axe, needs_browser
from tests.support.proxy import RunningProxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_browser]

DESKTOP, PHONE = {"width": 1360, "height": 850}, {"width": 390, "height": 844}
LOOKS = {
    "by day": {"viewport": DESKTOP, "color_scheme": "light"},
    "by night": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "phone by night": {"viewport": PHONE, "color_scheme": "dark"},
    "without script": {"viewport": DESKTOP, "java_script_enabled": False},
}

PAGES = {
    "overview": "/console",
    "decisions": "/console/decisions",
    "decisions, live": "/console/decisions?live=1&model=small",
    "decisions, none": "/console/decisions?client=nobody",
    "refused": "/console/decisions/{refused}",
    "shaky": "/console/decisions/{shaky}?model=large",
    "over budget": "/console/decisions/{tight}",
    "hostile": "/console/decisions/{hostile}",
    "policy": "/console/policy",
    "policy, some": "/console/policy?rule=n*&since=1h",
    "policy, none": "/console/policy?rule=%3Cscript%3E",
    "files": "/console/policy/files",
    "what if": "/console/what-if?given=request.model%3Dauto",
    "what if, wrong": "/console/what-if?given=%3Cscript%3E",
    "budgets": "/console/budgets",
    "one budget": "/console/budgets?budget=month",
    "models": "/console/models",
    "talk": "/console/talk",
    "savings": "/console/savings",
    "history": "/console/history",
    "nothing": "/console/nothing",
    "bad filter": "/console/decisions?status=%3Cscript%3E",
}


@dataclass(slots=True)
class Stage:
    """The service, the browser, and the decisions that pages are looked at with."""

    proxy: RunningProxy
    browser: Any
    ids: dict[str, str]

    def address(self, name: str) -> str:
        """Where a page is."""
        return self.proxy.admin + PAGES[name].format(**self.ids)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One service and one browser for all tests of this file."""
    async with house(tmp_path_factory.mktemp("console")) as proxy, browsing() as browser:
        decided = {identity: record.decided for identity, record in proxy.records().items()}
        by_rule = {line["rule"]: identity for identity, line in decided.items()}
        yield Stage(
            proxy,
            browser,
            {
                "refused": by_rule["no-secrets"],
                "shaky": by_rule["shaky"],
                "tight": next(key for key, line in decided.items() if "tight" in (line["facts"].get("tags") or ())),
                "hostile": next(key for key, line in decided.items() if line["requested"] == HOSTILE[0]),
            },
        )


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_loads_and_nothing_on_it_is_refused(stage: Stage, name: str, look: str) -> None:
    """It answers, the browser complains of nothing, nothing breaks the content security policy, and nobody must scroll
    sideways."""
    async with looking(stage.browser, **LOOKS[look]) as seen:  # type: ignore[arg-type]
        answer = await seen.page.goto(stage.address(name))
        assert answer is not None and answer.status == {"nothing": 404, "bad filter": 400}.get(name, 200)
        assert await seen.page.locator("main h1").inner_text()
        assert [each for each in seen.said if "status of 40" not in each] == []
        if look != "without script":
            assert await seen.refusals() == []
            assert not await seen.too_wide()


@needs_axe
@pytest.mark.parametrize("look", ["by day", "by night", "phone"])
@pytest.mark.parametrize("name", PAGES)
async def test_nobody_is_kept_out(stage: Stage, name: str, look: str) -> None:
    """axe-core finds nothing serious: contrasts, names of fields, order of headings, what a keyboard reaches."""
    async with looking(stage.browser, bypass_csp=True, **LOOKS[look]) as seen:  # type: ignore[arg-type]
        await seen.page.goto(stage.address(name))
        await seen.page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert await seen.barriers() == []


@pytest.mark.parametrize("name", ["decisions", "hostile", "overview", "files", "policy"])
async def test_what_a_stranger_wrote_is_text(stage: Stage, name: str) -> None:
    """No element of a page comes from a request, a policy or an address; what steers or hides is written out."""
    async with looking(stage.browser) as seen:
        await seen.page.goto(stage.address(name))
        strange = "script:not([src^='/console/console.js']), img, [onerror], [onload], a[href^='javascript']"
        assert await seen.page.locator(strange).count() == 0
        assert seen.said == []
        text = await seen.page.locator("body").inner_text()
        assert not set(text) & set("\u202e\u2028\x00\x1b")
        if name == "decisions":
            assert "<script>alert(1)</script>" in text
            assert "{{7*7}}" in text


async def test_hostile_words_in_every_field_of_an_address_are_text(stage: Stage) -> None:
    """Filters, names and facts that somebody was sent in a link."""
    async with looking(stage.browser) as seen:
        for word in HOSTILE[:6]:
            for path, field in (
                ("/console/decisions", "client"),
                ("/console/decisions", "since"),
                ("/console/policy", "rule"),
                ("/console/what-if", "given"),
                ("/console/what-if", "body"),
                ("/console/budgets", "budget"),
                (f"/console/decisions/{stage.ids['shaky']}", "model"),
            ):
                await seen.page.goto(f"{stage.proxy.admin}{path}?{field}={quote(word, safe='')}")
                assert await seen.page.locator("img, [onerror], [onload]").count() == 0
                assert await seen.refusals() == []
    assert [each for each in seen.said if "status of 40" not in each] == []


async def test_a_decision_is_found_by_filtering_and_says_why(stage: Stage) -> None:
    """From the list through a filter to one decision, with its way, its candidates, its money and its attempts."""
    async with looking(stage.browser) as seen:
        page = seen.page
        await page.goto(stage.address("decisions"))
        await page.get_by_label("Rule", exact=True).fill("shaky")
        await page.get_by_role("button", name="Filter").click()
        assert "rule=shaky" in page.url
        rows = page.locator("table.rows tbody tr")
        assert await rows.count() == 2
        await rows.first.locator("a").first.click()
        text = await page.locator("main").inner_text()
        for words in ("The way through the tree", "broken", "small", "place 1", "held", "settled", "Attempts"):
            assert words in text, words
        assert await page.locator("svg.picture .lit").count() > 0
        assert await page.locator("svg.timeline g").count() == len(
            stage.proxy.records()[page.url.rpartition("/")[2]].ended["attempts"]  # type: ignore[index]
        )
        await page.locator("select[name=model]").select_option("large")
        await page.get_by_role("button", name="Ask").click()
        assert "was not chosen" in await page.locator("main").inner_text()


async def test_new_decisions_come_by_themselves(stage: Stage) -> None:
    """A page that is watched shows what came after it was loaded, and keeps its address."""
    async with looking(stage.browser) as seen:
        await seen.page.goto(f"{stage.proxy.admin}/console/decisions?live=1&rule=never-used")
        assert await seen.page.locator("table.rows").count() == 0
        await ask(stage.proxy.url, chat("small"), headers=[("x-routebook-tags", "never")])
        await seen.page.locator("table.rows tbody tr").first.wait_for(timeout=20_000)
        assert seen.said == []


async def test_a_keyboard_reaches_everything(stage: Stage) -> None:
    """The first stop leads past the navigation, and every stop can be seen."""
    async with looking(stage.browser, viewport=DESKTOP) as seen:
        await seen.page.goto(stage.address("policy"))
        await seen.page.keyboard.press("Tab")
        assert await seen.page.evaluate("document.activeElement.getAttribute('href')") == "#main"
        for _ in range(12):
            await seen.page.keyboard.press("Tab")
            outline = await seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"


async def test_a_candidate_is_tried_beside_the_policy(stage: Stage) -> None:
    """A file is edited on the page; then: its problems, the request under both, what changes, the traffic again."""
    async with looking(stage.browser) as seen:
        page = seen.page
        await page.goto(stage.address("what if"))
        assert "The rule cheapest" in await page.locator("main").inner_text()
        await page.locator("summary", has_text="policy.yaml").click()
        field = page.locator("textarea[name=text]")
        text = await field.input_value()
        assert 'alert("comment")' in text  # a field holds the file as it is
        await field.fill(text.replace("{to: any, pick: cheapest}", "{to: [large]}"))
        await page.get_by_role("button", name="Try the candidate").click()
        await page.locator("#h-replay").wait_for(timeout=60_000)
        shown = await page.locator("main").inner_text()
        assert "route to large" in shown and "One region of requests goes elsewhere" in shown
        assert await page.locator("#h-replay ~ table tbody tr").count() >= 1
        assert seen.said == [] and await seen.refusals() == []

        await page.goto(stage.address("what if"))
        await page.locator("summary", has_text="policy.yaml").click()
        await field.fill(text.replace("route: {to: requested}", "rout: {to: requested}"))
        await page.get_by_role("button", name="Try the candidate").click()
        await page.locator("#h-problems").wait_for(timeout=60_000)
        shown = await page.locator("main").inner_text()
        assert "It may not serve" in shown and "policy.yaml:" in shown


async def test_savings_are_counted_behind_the_page(stage: Stage) -> None:
    """The page answers at once, and shows the sums when they are there."""
    async with looking(stage.browser) as seen:
        await seen.page.goto(stage.address("savings"))
        await seen.page.locator("th", has_text="The policy").wait_for(timeout=60_000)
        assert "would have cost" in await seen.page.locator("main").inner_text()


async def test_the_same_rows_for_programs(stage: Stage) -> None:
    """Every filter of a page is one of its JSON and of its table."""
    status, body = await stage.proxy.get_admin("/console/decisions.json?rule=shaky&costs=%240.000001")
    rows = json.loads(body)["decisions"]
    assert status == 200 and len(rows) == 2 and {row["rule"] for row in rows} == {"shaky"}
    status, table = await stage.proxy.get_admin("/console/decisions.csv?limit=100")
    assert status == 200 and table.splitlines()[0].startswith("id,time,client,team,rule")
    assert "'=HYPERLINK" in table and ",=HYPERLINK" not in table
    coverage = json.loads((await stage.proxy.get_admin("/console/policy.json"))[1])
    counted = {rule["rule"]: rule["requests"] for rule in coverage["rules"]}
    assert counted["shaky"] == 2 and counted["no-secrets"] == 1


async def test_every_table_is_there_for_programs_and_spreadsheets(stage: Stage) -> None:
    """What a page says of rules, models and budgets its CSV says too, and its JSON."""
    asked = {
        name: (await stage.proxy.get_admin(f"/console/{name}"))[1]
        for name in (
            "overview.json",
            "policy.csv",
            "policy.json",
            "models.csv",
            "models.json",
            "budgets.csv",
            "budgets.json",
        )
    }
    rules = {row["rule"]: row for row in csv.DictReader(io.StringIO(asked["policy.csv"]))}
    covered = json.loads(asked["policy.json"])["rules"]
    assert {each["rule"]: str(each["requests"]) for each in covered} == {n: row["requests"] for n, row in rules.items()}
    assert rules["shaky"]["requests"] == "2" and len(rules) == 5
    models = {row["model"]: row for row in csv.DictReader(io.StringIO(asked["models.csv"]))}
    found = json.loads(asked["models.json"])["models"]
    assert {each["model"]: str(each["cost"]) for each in found} == {name: row["cost"] for name, row in models.items()}
    accounts = json.loads(asked["models.json"])["accounts"]
    assert sum(each["spent"]["cost"] for each in accounts) == sum(each["cost"] for each in found) > 0
    scopes = list(csv.DictReader(io.StringIO(asked["budgets.csv"])))
    forecasts = json.loads(asked["budgets.json"])["forecasts"]
    assert [row["budget"] for row in scopes] == [each["budget"] for each in forecasts]
    assert next(row for row in scopes if row["budget"] == "month")["limit"] == str(100 * 10**9)
    whole = json.loads(asked["overview.json"])
    assert whole["total"]["requests"] == sum(each["requests"] for each in whole["steps"]) >= 18
    assert {each["rule"] for each in whole["rules"]} >= {"shaky", "as-asked"} and whole["failed"] and whole["newest"]


async def test_the_tree_says_what_traffic_made_of_it(stage: Stage) -> None:
    """Each end with its count; a rule that decided nothing in that time looks idle."""
    async with looking(stage.browser) as seen:
        await seen.page.goto(stage.address("policy"))
        for rule in json.loads((await stage.proxy.get_admin("/console/policy.json"))[1])["rules"]:
            end = seen.page.locator("svg.picture g", has=seen.page.get_by_text(rule["rule"], exact=True)).last
            words = f"{rule['requests']} request" if rule["requests"] else "decided nothing"
            assert words in (await end.text_content() or "")
            assert await end.locator("rect.idle").count() == (not rule["requests"])
