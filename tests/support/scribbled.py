"""YAML as many hands write it: the same kinds of values in every layout, with comments wherever YAML allows one."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

WORDS = ("a", "rule-one", "gpt-5.6", "80%", "$0.05", "22:00", "NO", "true", "~", "32k", "1", "x y z", "-1", "&", "a#b")
SAFE = tuple(word for word in WORDS if word != "&")
COMMENTS = ("# why", "#", "#!", "# key: value", '# "quoted', "# - item", "# a # b", "#  wide  ", "# {", "# é ü")
BLOCKS = (
    ("|", ("one", "  two", "", "three")),
    (">-", ("one", "two", "", "  more")),
    ("|+", ("one", "")),
    ("|2", ("  deep", "flat")),
    ("|-  # said", ("x",)),
    ("|", ("blanks at the end", "   ", "      ")),
    (">", ("folded", "  ", "again")),
)


@st.composite
def scribbles(draw: DrawFn) -> str:
    """A text that is meant to be YAML: nearly always it is."""
    lines = [*draw(gaps(0)), *draw(blocks(0, 3)), *draw(gaps(0))]
    head = draw(st.sampled_from(["", "", "", "---\n", "--- # begin\n", "\ufeff"]))
    return head + draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n", "\n\n\n"]))


@st.composite
def gaps(draw: DrawFn, indent: int) -> list[str]:
    """Blank lines and comments between two entries, indented in any way."""
    found: list[str] = []
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        spaces = draw(st.sampled_from([indent, indent, max(0, indent - 1), indent + 2, 0]))
        found.append(draw(st.sampled_from(["", " " * spaces + draw(st.sampled_from(COMMENTS))])))
    return found


@st.composite
def blocks(draw: DrawFn, indent: int, depth: int) -> list[str]:
    """The lines of a mapping or a list."""
    mapping = draw(st.booleans()) or depth == 3
    lines: list[str] = []
    for number in range(draw(st.integers(1, 3))):
        lead = " " * indent + (f"{draw(keys(number))}:" if mapping else "-")
        lines += draw(gaps(indent)) if number else []
        lines += draw(values(lead, indent, depth, mapping))
    return lines


@st.composite
def keys(draw: DrawFn, number: int) -> str:
    """A key that no other of its mapping is."""
    name = draw(st.sampled_from(["name", "when", "route", "to", "version", "rules", "models", "k", "price"]))
    quote = draw(st.sampled_from(["", "", "'", '"']))
    return f"{quote}{name}{number or ''}{quote}"


@st.composite
def values(draw: DrawFn, lead: str, indent: int, depth: int, mapping: bool) -> list[str]:
    """One entry, value included."""
    behind = draw(st.sampled_from(["", "", "", "  " + draw(st.sampled_from(COMMENTS))]))
    kind = draw(st.sampled_from(["word", "word", "flow", "lines", "block", "nested", "nested", "nothing", "below"]))
    deeper = indent + draw(st.integers(1, 4))
    if kind == "nested" and depth > 0:
        if not mapping and draw(st.booleans()):
            inner = draw(blocks(indent + 2, depth - 1))
            return [lead + " " + inner[0].lstrip(), *inner[1:]]
        return [lead + behind, *draw(gaps(deeper)), *draw(blocks(deeper, depth - 1))]
    if kind == "flow":
        first, *rest = draw(flows(2)).split("\n")
        return [f"{lead} {first}", *(" " * (indent + 5) + line for line in rest[:-1]), *_last(rest, indent, behind)]
    if kind == "lines":
        quote = draw(st.sampled_from(["", "'", '"']))
        return [f"{lead} {quote}one", " " * (indent + 3) + f"two{quote}{behind}"]
    if kind == "block":
        header, texts = draw(st.sampled_from(BLOCKS))
        margin = indent + 2 if "2" in header else deeper
        return [f"{lead} {header}", *(" " * margin + text if text else "" for text in texts)]
    if kind == "below":
        return [lead, *draw(gaps(deeper)), " " * deeper + draw(words()) + behind]
    return [lead + behind] if kind == "nothing" else [f"{lead} {draw(words())}{behind}"]


def _last(rest: list[str], indent: int, behind: str) -> list[str]:
    return [" " * (indent + 5) + rest[-1] + behind] if rest else []


@st.composite
def words(draw: DrawFn) -> str:
    """One scalar, plain or in quotes."""
    word = draw(st.sampled_from(WORDS))
    match draw(st.sampled_from(["plain", "single", "double", "escaped"])):
        case "single":
            return f"'{word}''s'"
        case "double":
            return f'"{word}"'
        case "escaped":
            return '"\\u200b\\"\\\\ # no comment"'
        case _:
            return word if word != "&" else "b"


@st.composite
def flows(draw: DrawFn, depth: int) -> str:
    """A value in brackets, on one line or on several, with comments where a line ends."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(SAFE)) if draw(st.booleans()) else draw(words())
    mapping = draw(st.booleans())
    parts = []
    for number in range(draw(st.integers(0, 4))):
        inner = draw(flows(depth - 1))
        parts.append(f"{draw(keys(number))}: {inner}" if mapping else inner)
    between = draw(st.sampled_from([", ", ",\n", ", # why\n", ",\n# above\n", ",\n\n"]))
    end = draw(st.sampled_from(["", "\n", " # end\n"]))
    text = between.join(parts) + end
    return f"{{{text}}}" if mapping else f"[{text}]"
