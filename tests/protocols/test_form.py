"""Forms, read in any pieces: the fields, where they stand, and how much of a file has come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.protocols.errors import ProtocolError
from routebook.protocols.form import FIRST, MOST_PARTS, FormReader, boundary_of

BOUNDARY = b"xYzZY"
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


def part(name: str, value: bytes, is_file: bool = False) -> bytes:
    """One part, as clients write it."""
    about = b'; filename="a.wav"\r\nContent-Type: audio/wav' if is_file else b""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
        BOUNDARY, name.encode(), about, value,
    )  # fmt: skip


END = b"--%b--\r\n" % BOUNDARY


def read(data: bytes, cuts: list[int]) -> FormReader:
    """The form, fed in pieces."""
    form, at = FormReader(BOUNDARY), 0
    for cut in [*sorted(cuts), len(data)]:
        form.feed(data[at:cut])
        at = max(at, cut)
    return form


@given(
    st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4),
    st.binary(max_size=6_000),
    st.integers(0, 4),
    st.lists(st.integers(0, 7_000), max_size=12),
)
def test_any_cut_gives_the_same(fields: dict[str, str], file: bytes, place: int, cuts: list[int]) -> None:
    """Values, the places of their bytes, and the file's size and beginning; a file may hold what looks like an end."""
    file += b"\r\n--xYz\r\n"
    parts = [part(name, value.encode()) for name, value in fields.items()]
    parts.insert(min(place, len(parts)), part("file", file, is_file=True))
    data = b"".join(parts) + END
    form = read(data, cuts)
    assert form.is_whole and form.fields == fields
    assert (form.file, form.media_type, form.size, form.first) == ("file", "audio/wav", len(file), file[:FIRST])
    assert {name: data[start:end].decode() for name, (start, end) in form.spans.items()} == fields


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_form_or_refused(data: bytes) -> None:
    """Nothing else is raised."""
    form = FormReader(BOUNDARY)
    try:
        form.feed(b"--xYzZY\r\n" + data)
    except ProtocolError as error:
        assert error.status == 400


def test_a_field_put_in_front_is_one_of_the_form() -> None:
    """What the upstream is told that the client said in its path."""
    form = FormReader(BOUNDARY)
    assert read(form.part("model", "m-1") + part("a", b"b") + END, []).fields == {"model": "m-1", "a": "b"}


def test_repeated_names_are_joined() -> None:
    """As lists are sent; the brackets are not part of the name."""
    form = read(part("include[]", b"a") + part("include[]", b"b") + END, [])
    assert form.fields == {"include": "a,b"} and form.spans == {}


@pytest.mark.parametrize(
    "data",
    [
        b"--xYzZYabc",
        b"--xYzZY\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xYzZY--",
        b"--xYzZY\r\n" + b"a" * 9_000,
        part("a", b"\xff") + END,
        part("file", b"a", True) + part("file", b"b", True) + END,
        part("a", b"") * (MOST_PARTS + 1) + END,
        part("a", b"x" * 300_000),
        part("a", b"x" * 300_000) + END,
    ],
)
def test_forms_beyond_every_bound(data: bytes) -> None:
    """What is kept of a form is bounded."""
    with pytest.raises(ProtocolError):
        FormReader(BOUNDARY).feed(data)


@pytest.mark.parametrize(
    ("written", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("application/json", None),
        ("multipart/form-data; boundary=" + "x" * 71, None),
    ],
)
def test_boundaries(written: str, boundary: bytes | None) -> None:
    """Quoted or not, of at most seventy characters (RFC 2046, 5.1.1)."""
    if boundary is not None:
        assert boundary_of(written) == boundary
        return
    if len(written) > 80:
        assert len(boundary_of(written)) <= 70
        return
    with pytest.raises(ProtocolError):
        boundary_of(written)
