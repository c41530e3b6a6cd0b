"""Strict YAML: what is accepted keeps its text and its place, what is refused says why, and nothing can hurt the reader.

Everything is tried with libyaml's parser and with the one in Python: which of them a machine has must not matter.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.documents import composing, loading
from routebook.documents.loading import Loader, load_documents, load_text
from routebook.documents.nodes import Document, Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Location, Problems

LOADERS: tuple[Loader, ...] = (yaml.CSafeLoader, yaml.SafeLoader)
both_parsers = pytest.mark.parametrize("loader", LOADERS, ids=["libyaml", "python"])


def _load(text: str, loader: Loader = yaml.CSafeLoader) -> tuple[Document, list[tuple[str, int, int]]]:
    problems = Problems()
    document = load_text("p.yaml", text, problems, loader)
    return document, [(problem.code, problem.location.line, problem.location.column) for problem in problems]


def plain(node: Node | None) -> object:
    """A node as YAML's own data without types: texts, lists, dictionaries."""
    match node:
        case None:
            return None
        case Scalar(text):
            return text
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {key.text: plain(value) for key, value in entries}


@both_parsers
def test_every_value_knows_its_line_and_column(loader: Loader) -> None:
    """Keys, scalars and collections carry the place where an editor would put its cursor."""
    document, problems = _load("rules:\n  - name: first\n    tags: [a, 'b']\n", loader)
    assert problems == []
    assert isinstance(document.root, Mapping)
    key, rules = document.root.entries[0]
    assert key == Scalar("rules", Location("p.yaml", 1, 1))
    assert isinstance(rules, Sequence) and rules.location == Location("p.yaml", 2, 3)
    rule = rules.items[0]
    assert isinstance(rule, Mapping) and rule.location == Location("p.yaml", 2, 5)
    tags = rule.get("tags")
    assert isinstance(tags, Sequence)
    assert [(item.location.line, item.location.column) for item in tags] == [(3, 12), (3, 15)]
    assert [item.quoted for item in tags if isinstance(item, Scalar)] == [False, True]


@both_parsers
def test_columns_count_characters_and_lines_count_as_editors_do(loader: Loader) -> None:
    """Neither an umlaut, an emoji, a byte order mark nor Windows' line ends shift a place."""
    document, problems = _load("\ufeffgrüße: 🙂\r\nb: [ä, c]\r\n", loader)
    assert problems == []
    assert isinstance(document.root, Mapping)
    assert document.root.entries[0][0].location == Location("p.yaml", 1, 1)
    assert document.root.entries[1][1].location == Location("p.yaml", 2, 4)
    listed = document.root.entries[1][1]
    assert isinstance(listed, Sequence) and listed.items[1].location == Location("p.yaml", 2, 8)


@both_parsers
@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n", "---\n", "---\n...\n"])
def test_an_empty_file_is_no_fault(text: str, loader: Loader) -> None:
    """A policy of several files may have an empty one."""
    document, problems = _load(text, loader)
    assert problems == []
    assert document.root is None or (isinstance(document.root, Scalar) and document.root.is_null)


@both_parsers
def test_an_alias_stands_for_what_it_names(loader: Loader) -> None:
    """Aliases within the bound are allowed; the value keeps the place where it is written."""
    document, problems = _load("a: &x [1, 2]\nb: *x\nc: {d: *x}\n", loader)
    assert problems == []
    assert plain(document.root) == {"a": ["1", "2"], "b": ["1", "2"], "c": {"d": ["1", "2"]}}


@both_parsers
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", [("document.duplicate-key", 3, 1)]),
        ("{a: 1, 'a': 2}", [("document.duplicate-key", 1, 8)]),
        ("r: {x: {a: 1, a: 2}, x: 3}", [("document.duplicate-key", 1, 15), ("document.duplicate-key", 1, 22)]),
        ("[a, b]: 1\n", [("document.key-not-text", 1, 1)]),
        ("? {a: 1}\n: 2\n", [("document.key-not-text", 1, 3)]),
        ("name: {{ model }}\n", [("document.key-not-text", 1, 8)]),
        ("?\n: 1\n", [("document.key-not-text", 1, 2)]),
        ("~: 1\n", [("document.key-not-text", 1, 1)]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", [("document.merge-key", 3, 3)]),
        ("a: !!int '3'\n", [("document.tag", 1, 4)]),
        ("a: !secret x\n", [("document.tag", 1, 4)]),
        ("a: !!python/object/apply:os.system [x]\n", [("document.tag", 1, 4)]),
        ("a: !!set {b, c}\n", [("document.tag", 1, 4)]),
        ("a: 1\n---\nb: 2\n", [("document.several-documents", 2, 1)]),
        ("a: *gone\n", [("document.unknown-alias", 1, 4)]),
        ("a: &x [1, *x]\n", [("document.recursive-alias", 1, 11)]),
        ("a: &x {b: {c: *x}}\n", [("document.recursive-alias", 1, 15)]),
        ("a: &x 1\nb: &x 2\nc: *x\n", [("document.duplicate-anchor", 2, 4)]),
        ("a:\n\tb: 1\n", [("document.tab", 2, 1)]),
        ("a:\n  b: 1\n\tc: 2\n", [("document.tab", 3, 1)]),
        ("a: \x07\n", [("document.control-character", 1, 4)]),
        ("ab: 1\nc: a\u202eb\n", [("document.hidden-character", 2, 5)]),
        ("a: x\u200by\n", [("document.hidden-character", 1, 5)]),
        ("a: x\u2028y\n", [("document.hidden-character", 1, 5)]),
    ],
)
def test_what_a_policy_may_not_say_is_refused_at_its_place(
    text: str, expected: list[tuple[str, int, int]], loader: Loader
) -> None:
    """Each trap of YAML has a code of its own and points at the trap."""
    assert _load(text, loader)[1] == expected


@both_parsers
def test_a_duplicate_shows_both_places_and_the_first_value_stays(loader: Loader) -> None:
    """YAML parsers keep the last silently; here nothing is silent, and what follows is read on."""
    problems = Problems()
    document = load_text("p.yaml", "a: 1\nb: 2\na: 3\nc: 4\n", problems, loader)
    assert plain(document.root) == {"a": "1", "b": "2", "c": "4"}
    duplicate = next(iter(problems))
    assert duplicate.message == "the key `a` stands twice in this mapping"
    assert duplicate.related == ((Location("p.yaml", 1, 1), "`a` stands here first"),)


@both_parsers
def test_a_null_in_quotes_is_a_key_like_any_other(loader: Loader) -> None:
    """Only what is written plainly is nothing, or a merge key."""
    document, problems = _load('"null": 1\n"<<": 2\n', loader)
    assert problems == []
    assert plain(document.root) == {"null": "1", "<<": "2"}


@both_parsers
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "{? "])
def test_a_nesting_bomb_is_refused_where_it_goes_too_deep(opening: str, loader: Loader) -> None:
    """Two hundred thousand brackets crash libyaml's composer; here they are a problem on line 1, at once."""
    begun = time.perf_counter()
    document, problems = _load(opening * 200_000, loader)
    assert document.root is None
    assert [code for code, _, _ in problems] == ["document.too-deep"]
    assert time.perf_counter() - begun < 2


@both_parsers
def test_sixty_four_levels_are_allowed_and_one_more_is_not(loader: Loader) -> None:
    """The bound is where it says it is."""
    depth = composing.MAX_DEPTH
    assert _load("[" * depth + "]" * depth, loader)[1] == []
    assert _load("[" * (depth + 1) + "]" * (depth + 1), loader)[1] == [("document.too-deep", 1, depth + 1)]


@both_parsers
def test_aliases_cannot_deepen_what_may_not_be_deep(loader: Loader) -> None:
    """Levels behind an alias count too: a reader that recurses meets them all."""
    half = composing.MAX_DEPTH // 2
    deep = "[" * half + "]" * half
    assert _load(f"a: &x {deep}\nb: {'[' * (half - 1)}*x{']' * (half - 1)}\n", loader)[1] == []
    assert _load(f"a: &x {deep}\nb: {'[' * half}*x{']' * half}\n", loader)[1] == [("document.too-deep", 2, 4 + half)]


@both_parsers
def test_an_alias_bomb_is_refused_before_it_goes_off(loader: Loader) -> None:
    """Nine lines of nine aliases stand for nine to the ninth values; reading stops at the bound."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    document, problems = _load("\n".join(lines), loader)
    assert document.root is None
    assert [(code, line) for code, line, _ in problems] == [("document.too-many-aliases", 5)]


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of commas is small on disk and large in memory: values are counted as they come."""
    monkeypatch.setattr(composing, "MAX_VALUES", 100)
    assert _load("[" + "a," * 90 + "]")[1] == []
    assert [code for code, _, _ in _load("[" + "a," * 200 + "[]]")[1]] == ["document.too-many-values"]
    assert [code for code, _, _ in _load("[" + "a," * 200 + "]")[1]] == ["document.too-many-values"]


@both_parsers
@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: b: c\n", "a `:` is not expected here", 1),
        ("a: 1\n b: 2\n", "a `:` is not expected here", 2),
        ("key: value\nnot a key\nb: 2\n", "this is no `key: value`, and not indented as part of the line before", 2),
        ("rules:\n- name: a\n  route:{to: [b]}\n", "a `:` needs a space after it", 3),
        ('pattern: "see x:[0-9] \\d"\n', "`\\` begins an escape in double quotes, and this one does not exist", 1),
        ("a: {b: 1\nc: 2\n", "a `{` is not closed, or a `,` is missing", 2),
        ("a: [b\nc: 2\n", "a `[` is not closed, or a `,` is missing", 2),
        ("a: [b, c\n", "a `[` is not closed, or a `,` is missing", 2),
        ("a: 'b\n", "a quote is opened and never closed", 2),
        ('a: "b\n', "a quote is opened and never closed", 2),
        ('a: "\\d+"\n', "`\\` begins an escape in double quotes, and this one does not exist", 1),
        ('a: "\\xZZ"\n', "`\\x`, `\\u` and `\\U` want 2, 4 and 8 hexadecimal digits", 1),
        ("a: @here\n", "a value cannot begin with `@`", 1),
        ("a: %x\n", "a value cannot begin with `%`", 1),
        ("a: *\n", "`*` begins an alias, and a name must follow", 1),
        ("a: & b\n", "`&` begins an anchor, and a name must follow", 1),
        ("a: 1\n...\nb: 1\n", "this does not belong to what stands before it", 3),
        ("a: |x\n  b\n", "a text block that begins with `|` or `>` is not written right", 1),
        ("a: - b\n", "a list cannot begin here", 1),
        ("a: [b, , c]\n", "a value is expected here", 1),
        ("a: [\n", "a value is expected here", 2),
        ("a: !x!y z\n", "`!` begins a tag, which the policy language does not have", 1),
        ("rules:\n- name: a\nwhen: b\n  route: c\n", "a `:` is not expected here", 4),
    ],
)
def test_a_fault_of_syntax_is_told_in_plain_words(text: str, message: str, line: int, loader: Loader) -> None:
    """Both parsers' complaints become the same words, on the line where reading stopped."""
    problems = Problems()
    document = load_text("p.yaml", text, problems, loader)
    assert document.root is None
    assert [(problem.code, problem.message, problem.location.line) for problem in problems] == [
        ("document.syntax", message, line)
    ]


def test_a_file_that_could_not_be_read_is_told_from_an_empty_one(tmp_path: Path) -> None:
    """Only what was read can be said to lack something: a policy of unread files is not called empty."""
    empty, broken, latin, gone = (tmp_path / name for name in ("empty.yaml", "broken.yaml", "latin.yaml", "gone.yaml"))
    empty.write_text("# later\n")
    broken.write_text("a: [\n")
    latin.write_bytes(b"a: \xfc\n")
    documents, _ = load_documents([empty, broken, latin, gone])
    assert [document.readable for document in documents] == [True, False, False, False]
    assert not _load("[" * 100)[0].readable
    assert not _load("a: \x07")[0].readable


def test_files_are_named_as_they_were_given(tmp_path: Path) -> None:
    """A problem names a file as the author named it, and files do not disturb each other."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("version: 1\n")
    bad.write_text("a: [\n")
    documents, problems = load_documents([bad, good])
    assert [document.file for document in documents] == [str(bad), str(good)]
    assert documents[0].root is None and plain(documents[1].root) == {"version": "1"}
    assert [problem.location.file for problem in problems] == [str(bad)]


def test_a_file_that_is_not_utf8_is_refused_at_the_byte(tmp_path: Path) -> None:
    """Latin-1 is named by its first byte, with the place."""
    file = tmp_path / "latin.yaml"
    file.write_bytes("version: 1\n# für\n".encode("latin-1"))
    _, problems = load_documents([file])
    problem = next(iter(problems))
    assert (problem.code, problem.location.line, problem.location.column) == ("document.not-utf8", 2, 4)
    assert problem.message == "byte `0xfc` is not UTF-8"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are counted before they are parsed, for each file and for all together."""
    monkeypatch.setattr(loading, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(loading, "MAX_POLICY_BYTES", 150)
    large, half, rest = tmp_path / "large.yaml", tmp_path / "half.yaml", tmp_path / "rest.yaml"
    large.write_text("a: " + "x" * 100)
    half.write_text("b: " + "x" * 90)
    rest.write_text("c: " + "x" * 90)
    assert [problem.code for problem in load_documents([large])[1]] == ["document.too-large"]
    assert list(load_documents([half])[1]) == []
    assert [problem.location.file for problem in load_documents([half, rest])[1]] == [str(rest)]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that was named by mistake is not read through."""
    monkeypatch.setattr(loading, "MAX_FILES", 2)
    documents, problems = load_documents([tmp_path / f"{n}.yaml" for n in range(3)])
    assert documents == []
    assert [problem.code for problem in problems] == ["document.too-large"]


def test_what_is_no_file_is_said_and_never_waited_for(tmp_path: Path) -> None:
    """A pipe, a directory and a file that is not there are problems; reading a pipe would hang a reload."""
    os.mkfifo(tmp_path / "pipe.yaml")
    _, problems = load_documents([tmp_path / "pipe.yaml", tmp_path, tmp_path / "gone.yaml"])
    assert {problem.message for problem in problems} == {"this is no file", "there is no such file"}
    assert {problem.code for problem in problems} == {"document.unreadable"}


def test_a_file_that_may_not_be_opened_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason reaches the author."""
    file = tmp_path / "secret.yaml"
    file.write_text("version: 1\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    _, problems = load_documents([file])
    assert [problem.message for problem in problems] == ["the file cannot be read: permission denied"]


def test_the_collector_is_on_again_after_a_large_file() -> None:
    """It is off while a large file is composed, on afterwards, also after a fault; one that was off stays off."""
    large = "- {a: b}\n" * 20_000
    assert gc.isenabled()
    assert _load(large)[1] == []
    assert gc.isenabled()
    _load(large + "]")
    assert gc.isenabled()
    gc.disable()
    try:
        _load(large)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_ten_thousand_rules_are_read_in_a_blink() -> None:
    """1.6 MB take about 0.6 s with libyaml; three times that is a regression even on a busy machine."""
    rule = (
        "  - name: rule-{0}-of-the-many\n    when: {{client.team: team-{0}, prompt.tokens: {{at_least: 32k}}, "
        "tags: {{any: [batch]}}}}\n    route: {{to: [gpt-1, llama-eu], pick: cheapest}}\n"
    )
    text = "version: 1\nrules:\n" + "".join(rule.format(number) for number in range(10_000))
    begun = time.process_time()
    document, problems = _load(text)
    taken = time.process_time() - begun
    assert problems == [] and document.root is not None
    assert taken < 2, f"{taken:.2f} s"


_words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), min_size=1, max_size=12
)
_trees = st.recursive(
    _words, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4), max_leaves=20
)


@given(_trees)
@settings(max_examples=150, deadline=None)
def test_what_was_written_is_what_is_read(tree: object) -> None:
    """Texts, lists and mappings dumped by PyYAML come back as they were, with either parser."""
    text = yaml.safe_dump(tree, allow_unicode=True)
    for loader in LOADERS:
        document, problems = _load(text, loader)
        assert problems == [] and plain(document.root) == tree


@given(st.text(st.sampled_from("ab:-[]{},&*!|>'\"%@#? \n\t<~0.\\x"), max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_alike_by_both_parsers(text: str) -> None:
    """Nothing raises; a document without a root has a problem or says nothing; what both read, both read alike."""
    (one, said), (other, said_too) = (_load(text, loader) for loader in LOADERS)
    for document, problems in ((one, said), (other, said_too)):
        assert document.root is not None or problems or not _says_something(text)
        assert all(line >= 1 and column >= 1 for _, line, column in problems)
    if not said and not said_too:
        assert plain(one.root) == plain(other.root)


def _says_something(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith(("#", "%", "---", "...")) for line in text.splitlines())


@given(st.binary(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever stands in a file, reading it ends in a document or a problem."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    documents, _ = load_documents([file])
    assert len(documents) == 1
