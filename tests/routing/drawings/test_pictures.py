"""Pictures of policies: whole where they are small, folded where they are large, and safe whatever names say."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from routebook.routing.drawings.dot import as_dot
from routebook.routing.drawings.lettering import clipped, columns, wrapped
from routebook.routing.drawings.mermaid import as_mermaid
from routebook.routing.drawings.one_way import draw_way
from routebook.routing.drawings.outline import PLAIN, as_outline
from routebook.routing.drawings.policy_tree import MOST_SHAPES, View, draw_policy
from routebook.routing.drawings.sketch import Arrow, Kind, Shape, Sketch
from routebook.routing.drawings.svg import as_svg
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_policy, load_sources
from routebook.routing.telling.explanation import explain_given, explain_record
from tests.cli.test_explain import record as RECORDED
from tests.routing.telling.test_money import REFUSED

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
CATALOGUE = (ROOT / "rules" / "catalogue.yaml").read_text()
HOSTILE = Sketch(
    'a "title" & <b>',
    "says </desc><script>alert(1)</script>",
    (
        Shape(Kind.QUESTION, "request.header.x?", ("a\x00b\x1b[31mred", "{curly} | `tick` #1;")),
        Shape(Kind.REFUSAL, "</text><script>alert(1)</script>", ('say "no"\\', "\u202eback ]]> end"), lit=True),
        Shape(Kind.ROUTE, "日本語のモデル", ("--> click n1 href \x1b[31m",)),
    ),
    (Arrow(0, 1, '"]; evil ["', lit=True), Arrow(0, 2, "a|b<br/>")),
)


def shipped() -> Policy:
    """The policy that comes with the program."""
    policy = load_policy(ROOT / "rules", proving=False).policy
    assert policy is not None
    return policy


def policy_of(*whens: str) -> Policy:
    """A policy of rules with these conditions, and a last one."""
    lines = [f"  - {{name: rule-{n}, when: {{{when}}}, route: {{to: hosted}}}}" for n, when in enumerate(whens)]
    text = "\n".join(["version: 1", "rules:", *lines, "  - {name: rest, route: {to: requested}}"])
    policy = load_sources([("catalogue.yaml", CATALOGUE), ("policy.yaml", text)], proving=False).policy
    assert policy is not None
    return policy


def large() -> Policy:
    """Five hundred rules over a handful of facts."""
    kinds = ("tags: {{any: [t{0}]}}", "prompt.tokens: {{at_least: {1}k}}", "request.model: m{0}")
    return policy_of(
        *(
            f"client.team: team-{number // 10}, {kinds[number % 3].format(number % 10, number % 10 * 4 + 4)}"
            for number in range(499)
        )
    )


def boxes(root: ElementTree.Element) -> list[ElementTree.Element]:
    """The boxes of a picture."""
    return [each for each in root.iter(f"{SVG}rect") if (each.get("class") or "").startswith("box")]


def test_the_shipped_policy_is_drawn_whole() -> None:
    """Every rule ends a way, every fact that rules ask for is asked."""
    policy = shipped()
    sketch = draw_policy(policy)
    ends = {shape.title for shape in sketch.shapes if shape.kind in (Kind.ROUTE, Kind.REFUSAL)}
    assert ends == {rule.name for rule in policy.rules}
    assert "nothing folded" in sketch.says
    text = as_outline(sketch)
    assert "└─ below 120k ── ↓" in text and "[1] above" in text


def test_text_keeps_under_the_width_it_is_given() -> None:
    """Also when that is little."""
    for width in (40, 72, 120):
        for policy in (shipped(), large()):
            lines = as_outline(draw_policy(policy), width).splitlines()
            assert lines and max(map(columns, lines)) <= width


def test_five_hundred_rules_make_a_picture_that_can_be_looked_at() -> None:
    """No more shapes than there is room for, with the answers that are alike as one; what is folded is counted."""
    sketch = draw_policy(large())
    assert len(sketch.shapes) <= MOST_SHAPES + 10
    folded = [shape for shape in sketch.shapes if shape.kind is Kind.FOLDED]
    assert any("430 rules folded" in shape.title for shape in folded)
    found = re.search(r"(\d+) parts folded, with (\d+) rules", sketch.says)
    assert found is not None and int(found[1]) == len(folded)
    drawn = {shape.title for shape in sketch.shapes if shape.kind in (Kind.ROUTE, Kind.REFUSAL)}
    assert int(found[2]) >= 500 - len(drawn)
    root = ElementTree.fromstring(as_svg(sketch))
    assert float(root.get("width") or 0) < 2500


def test_many_answers_that_decide_at_once_are_one_table() -> None:
    """With the first rows, and the number of all."""
    sketch = draw_policy(policy_of(*(f"client.team: team-{number}" for number in range(499))))
    assert [shape.kind for shape in sketch.shapes] == [Kind.QUESTION, Kind.TABLE]
    table = sketch.shapes[1]
    assert table.title == "500 answers for 500 rules"
    assert table.lines[0] == "team-0 → rule-0" and table.lines[-1] == "… 494 more"


def test_a_depth_unfolds_so_many_questions() -> None:
    """The one at the top, the one below it, the two below that."""
    for depth, questions in ((1, 1), (2, 2), (3, 4)):
        sketch = draw_policy(shipped(), View(depth=depth))
        assert sum(shape.kind is Kind.QUESTION for shape in sketch.shapes) == questions
        assert any("may still decide" in line for shape in sketch.shapes for line in shape.lines)


def test_only_the_ways_to_some_rules() -> None:
    """What leads elsewhere is folded, and said to be."""
    sketch = draw_policy(large(), View(pattern="rule-321", most=10_000))
    ends = {shape.title for shape in sketch.shapes if shape.kind in (Kind.ROUTE, Kind.REFUSAL)}
    assert "rule-321" in ends and len(ends) == 1
    assert "`rule-321`" in sketch.says and any(arrow.words == "any other answer" for arrow in sketch.arrows)


@pytest.mark.parametrize("sketch", [HOSTILE, draw_policy(shipped()), draw_policy(large())], ids=["hostile", "8", "500"])
def test_svg_is_well_formed_and_holds_its_text(sketch: Sketch) -> None:
    """XML that a strict reader takes; a title, a description; no script, and nothing from elsewhere."""
    text = as_svg(sketch)
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title says"
    assert {each.get("id"): each.tag for each in root[:2]} == {"title": f"{SVG}title", "says": f"{SVG}desc"}
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "g", "path")
    }
    assert len(boxes(root)) == len(sketch.shapes)
    assert "prefers-color-scheme:dark" in text
    assert "url(" not in text and "href=" not in text and text.count("http") == 1
    tips = [each.findtext(f"{SVG}title") or "" for each in root.iter(f"{SVG}g")]
    assert sum(bool(tip) for tip in tips) == len(sketch.shapes)


def test_every_line_of_text_lies_within_its_box() -> None:
    """By the width of the font's columns, at ten, fifty and five hundred rules."""
    for policy in (shipped(), policy_of(*(f"client.team: t{n}, prompt.tokens: {{above: {n}}}" for n in range(50)))):
        root = ElementTree.fromstring(as_svg(draw_policy(policy)))
        for group in root.iter(f"{SVG}g"):
            box = group.find(f"{SVG}rect")
            if box is None:
                continue
            right = float(box.get("x") or 0) + float(box.get("width") or 0)
            bottom = float(box.get("y") or 0) + float(box.get("height") or 0)
            for line in group.findall(f"{SVG}text"):
                assert float(line.get("x") or 0) + columns(line.text or "") * 7.25 <= right
                assert float(line.get("y") or 0) <= bottom


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb`."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_from_what_is_behind_it_in_light_and_dark() -> None:
    """At least 4.5 to 1 for every text on every box, and 3 to 1 for every outline (WCAG 2.2, 1.4.3 and 1.4.11)."""
    style = as_svg(HOSTILE).partition("<style>")[2].partition("</style>")[0]
    light = dict(re.findall(r"--(\w+):(#\w{6})", style.partition("@media")[0]))
    dark = light | dict(re.findall(r"--(\w+):(#\w{6})", style.partition("@media")[2]))

    def contrast(one: str, other: str) -> float:
        bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    for colours in (light, dark):
        for ground in ("paper", "question", "route", "refusal", "other", "glow"):
            for ink in ("ink", "quiet"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for line in ("line", "blue", "red", "lit"):
            assert contrast(colours[line], colours["paper"]) >= 3, line


def test_dot_says_what_it_should_whatever_names_say() -> None:
    """Every quote and backslash of a name is escaped: each statement is one line of the expected form."""
    for sketch in (HOSTILE, draw_policy(shipped())):
        first, *statements, last = as_dot(sketch).splitlines()
        assert (first, last) == ("digraph policy {", "}")
        text = r'"(?:[^"\\]|\\.)*"'
        form = rf"  (?:\w+={text}; )*\w+={text};|  node \[.*\]; edge \[.*\];|  n\d+(?: -> n\d+)? \[\w+={text}(?:, \w+=(?:{text}|\d+))*\];"
        assert all(re.fullmatch(form, line) for line in statements)
        assert sum(" -> " in line and line.startswith("  n") for line in statements) >= len(sketch.arrows)


def test_mermaid_holds_no_sign_of_its_own_from_a_name() -> None:
    """Quotes, brackets, bars and angles are numbers in it."""
    for sketch in (HOSTILE, draw_policy(shipped())):
        lines = as_mermaid(sketch).splitlines()
        assert lines[0] == "flowchart TD"
        text = r'"(?:[\w .,:?/\-]|#\d+;|<br/>)*"'
        shapes = [line for line in lines if re.match(r"  n\d+[\[(]", line)]
        arrows = [line for line in lines if re.match(r"  n\d+ [=-]", line)]
        assert len(shapes) == len(sketch.shapes) and len(arrows) == len(sketch.arrows)
        assert all(re.fullmatch(rf"  n\d+(?:\[|\(\[|\[\[){text}(?:\]|\]\)|\]\])", line) for line in shapes)
        assert all(re.fullmatch(rf"  n\d+ (?:-->|==>)(?:\|{text}\|)? n\d+", line) for line in arrows)


def test_what_a_terminal_would_obey_is_written_out() -> None:
    """No escape sequence of a name reaches it; and there is a form for terminals without lines to draw with."""
    text = as_outline(HOSTILE)
    assert "\x1b" not in text and "\x00" not in text and "\\x1b[31m" in text
    assert as_outline(draw_policy(shipped())).translate(PLAIN).isascii()


def test_one_way_is_lit() -> None:
    """From the first question to the rule and whoever would be asked first; the other answers lie beside it."""
    policy = shipped()
    found = explain_given(
        policy,
        {"tags": frozenset({"batch"}), "time.weekday": "wed", "time.of_day": 43200, "request.model": "auto"},
        0.0,
    )
    sketch = draw_way(found)
    assert sketch is not None
    lit = [arrow for arrow in sketch.arrows if arrow.lit]
    assert [arrow.words for arrow in lit] == [
        *("missing", "[batch]", "wed", "12:00", "chat", "missing", "auto", "missing", "1.")
    ]
    assert all(one.target == other.source for one, other in itertools.pairwise(lit))
    assert sketch.shapes[lit[-2].target].title == found.rule == "auto"
    assert sketch.shapes[lit[-1].target].title == "gpt-5.6-mini"
    rule = sketch.shapes[lit[-2].target]
    assert any("held (auto)" in line for line in rule.lines)
    dropped = [shape for shape in sketch.shapes if shape.kind is Kind.DROPPED]
    assert [shape.title for shape in dropped] == ["gpt-5.6"] and "limit $0.05" in dropped[0].lines[-1]
    text = as_outline(sketch)
    assert "└━ missing ━━▶ ↓" in text
    classes = [each.get("class") for each in boxes(ElementTree.fromstring(as_svg(sketch)))]
    assert sum("lit" in (name or "") for name in classes) == sum(shape.lit for shape in sketch.shapes)


def test_a_recorded_way_shows_who_was_called_and_who_was_not() -> None:
    """Each call in the box of its candidate, a budget's refusal too; lit is who answered."""
    policy = shipped()

    def kept(model: str, account: str) -> dict[str, object]:
        return {"model": model, "account": account, "verdict": "kept", "reason": "kept", "cost": 5_000_000}

    refused = {**REFUSED, "model": "gpt-5.6-mini", "account": "openai/main"}
    record = RECORDED(policy.digest) | {
        "candidates": [
            kept("gpt-5.6-mini", "openai/main"),
            kept("gpt-5.6", "openai/main"),
            kept("llama-4-70b", "onprem/none"),
        ],
        "hold": {"draws": [], "refused": [refused]},
    }
    calls = [
        {"model": "gpt-5.6", "account": "openai/main", "status": 503, "code": "upstream.failed", "next": "llama-4-70b"},
        {"model": "llama-4-70b", "account": "onprem/none", "status": 200, "code": None},
    ]
    ending = {"model": "llama-4-70b", "account": "onprem/none", "status": 200, "end": "--", "attempts": calls}
    sketch = draw_way(explain_record(policy, record, ending))
    assert sketch is not None and sketch.title == "The rule auto decided about 01TEST"
    shapes = {shape.title: shape for shape in sketch.shapes}
    assert any("was not allowed by the budget" in line for line in shapes["gpt-5.6-mini"].lines)
    assert "call 1: status 503 (upstream.failed), then llama-4-70b" in shapes["gpt-5.6"].lines
    assert shapes["llama-4-70b"].lit and "call 2: status 200" in shapes["llama-4-70b"].lines
    assert not shapes["gpt-5.6"].lit
    assert draw_way(explain_record(None, record, ending)) is None


def test_one_way_through_five_hundred_rules_is_still_a_small_picture() -> None:
    """What lies beside it is one shape."""
    found = explain_given(large(), {"client.team": "team-31", "tags": frozenset({"t9"})}, 0.0)
    sketch = draw_way(found)
    assert sketch is not None and len(sketch.shapes) < 30
    assert "50 other answers" in {shape.title for shape in sketch.shapes}


@pytest.mark.parametrize(
    ("text", "width", "most", "expected"),
    [
        ("one two three", 7, 3, ["one two", "three"]),
        ("averylongword", 5, 3, ["avery", "longw", "ord"]),
        ("one two three four", 5, 2, ["one", "two …"]),
        ("", 5, 2, [""]),
        ("日本語", 4, 2, ["日本", "語"]),
    ],
)
def test_text_is_broken_at_spaces(text: str, width: int, most: int, expected: list[str]) -> None:
    """Or where it must be; what does not fit is marked."""
    assert wrapped(text, width, most) == expected
    assert all(columns(clipped(text, width)) <= width for width in range(1, 20))
