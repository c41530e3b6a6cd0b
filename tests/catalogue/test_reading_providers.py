"""Providers and accounts, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.catalogue.providers import Account, AccountLimits, EnvironmentKey, FileKey, Provider, Spread, Timeouts
from routebook.catalogue.reading_providers import read_providers
from routebook.documents.problems import Problems
from tests.support.authored import codes, entries, hints, lines

SOUND = """
hosted:
  dialect: openai
  base_url: https://api.example.com/v1/
  region: us
  labels: {tier: gold}
  limits: {requests_per_minute: 500, tokens_per_minute: 2M}
  timeouts: {first_byte: 20s}
  ask_usage: false
  accounts:
    - {name: main, key: {env: EXAMPLE_KEY}, limits: {concurrent: 40}}
    - {name: spare, key: {file: /run/secrets/spare}, weight: 2, bucket: shared}
    - {name: none}
"""


def read(text: str) -> tuple[dict[str, Provider], Problems]:
    problems = Problems()
    return read_providers(entries(text), Timeouts(connect=9.0), problems), problems


def url_problems(url: str) -> Problems:
    return read(f'p: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}')[1]


def key_problems(key: str) -> Problems:
    return read(f"p: {{dialect: openai, base_url: https://x.example, accounts: [{{name: main, key: {key}}}]}}")[1]


def test_a_provider_is_read_whole() -> None:
    """Everything that is written arrives, in the program's units, with the slash at the end of the URL gone."""
    providers, problems = read(SOUND)
    assert not problems.found
    hosted = providers["hosted"]
    assert (hosted.dialect, hosted.base_url, hosted.region) == ("openai", "https://api.example.com/v1", "us")
    assert hosted.labels == {"tier": "gold"} and not hosted.ask_usage and hosted.allow_private is None
    assert hosted.location.line == 2


def test_how_accounts_are_spread_is_one_of_a_few_words() -> None:
    """By weight where nothing is said; weights that have no effect are pointed out."""
    assert read(SOUND)[0]["hosted"].spread is Spread.WEIGHTED
    spread = SOUND.replace("region: us", "region: us\n  spread: WAY")
    for way in ("round_robin", "least_busy", "sticky", "weighted"):
        providers, problems = read(spread.replace("WAY", way))
        assert providers["hosted"].spread.value == way and not problems.found
    assert lines(read(spread.replace("WAY", "drain_first"))[1]) == [
        "13:54 warning catalogue.unused-weight `weight` means nothing with `spread: drain_first`"
    ]
    assert codes(read(spread.replace("WAY", "randomly"))[1]) == ["document.unknown-word"]


def test_the_dialect_is_what_is_written() -> None:
    """And nothing else."""
    assert read(SOUND.replace("dialect: openai", "dialect: gemini"))[0]["hosted"].dialect == "gemini"


def test_timeouts_that_are_not_said_come_from_the_settings() -> None:
    """A provider overrides single timeouts; the others stay as the policy's settings have them."""
    assert read(SOUND)[0]["hosted"].timeouts == Timeouts(connect=9.0, first_byte=20.0)


def test_limits_of_the_provider_hold_for_accounts_that_say_nothing_else() -> None:
    """An account's own limit adds to the provider's, one by one."""
    main, spare, none = read(SOUND)[0]["hosted"].accounts
    assert main == Account("main", EnvironmentKey("EXAMPLE_KEY"), 1, None, AccountLimits(500, 2_000_000, 40))
    assert spare == Account("spare", FileKey("/run/secrets/spare"), 2, "shared", AccountLimits(500, 2_000_000, None))
    assert none.key is None


@pytest.mark.parametrize(
    "key",
    ["sk-live-0123456789abcdef", "{env: sk-live-0123456789abcdef}", '"1234"', "{env: skabcdefgh0123456789}", "[a, b]"],
)
def test_a_key_in_the_policy_is_refused_and_never_repeated(key: str) -> None:
    """No message may carry a secret into a log, and no hint either."""
    problems = key_problems(key)
    assert codes(problems) == ["catalogue.literal-key"]
    for problem in problems:
        assert "0123456789" not in problem.message + (problem.hint or "") and "1234" not in problem.message


def test_a_key_comes_from_one_place() -> None:
    """`env` and `file` together, or neither, is no source."""
    assert codes(key_problems("{env: A, file: /b}")) == ["catalogue.bad-key"]
    assert codes(key_problems("{}")) == ["catalogue.bad-key"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "//x.example",
        "x.example/v1",
        "https://",
        "https://x.example/v1?a=b",
        "https://x.example/v1?",
        "https://x.example/v1?api-version=1&key=secret",
        "https://x.example/v1?api-version=",
        "https://x.example/{modell}",
        "https://x.example/a{model}",
        "https://{model}.example/",
        "https://x.example/{model}/{model}",
        "https://x.example/v1#",
        "https://x.example/#a",
        "https://x.example:99999/",
        "http://[::1",
        "https://x y.example",
    ],
)
def test_only_plain_http_addresses_are_base_urls(url: str) -> None:
    """Anything but scheme, host, port and path is refused."""
    assert codes(url_problems(url)) == ["catalogue.bad-url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://x.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21",
        "https://x.openai.azure.com/openai?api-version=2025-04-01-preview",
        "https://x.example/{model}/v1",
    ],
)
def test_azures_older_addresses_are_base_urls(url: str) -> None:
    """The deployment in the path, and the version in the query."""
    assert codes(url_problems(url)) == []


@pytest.mark.parametrize("url", ["https://user:secret@x.example/v1", "https://secret@x.example"])
def test_credentials_in_a_base_url_are_keys(url: str) -> None:
    """They are refused as keys are, and not repeated."""
    problems = url_problems(url)
    assert codes(problems) == ["catalogue.literal-key"]
    assert "secret" not in "".join(problem.message + (problem.hint or "") for problem in problems)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "https://[::1]:8443/v1", "http://vllm.internal:8000/openai/v1"]
)
def test_private_addresses_are_addresses(url: str) -> None:
    """The policy's author may name any host; clients cannot name one."""
    assert not url_problems(url).found


def test_every_slip_in_a_provider_is_found_at_once() -> None:
    """One bad line does not hide the next, and near names are suggested."""
    problems = read("""
p: {dialect: opennai, base_url: https://x.example, regoin: eu, accounts: [{name: a}, {name: a, weight: 0}], timeouts: {idle: 5}}
""")[1]
    assert lines(problems) == [
        "2:14 document.unknown-word `opennai` is not a dialect",
        "2:52 document.unknown-key unknown key `regoin` in a provider",
        "2:86 document.duplicate-name two accounts are named `a`",
        "2:104 document.out-of-range `0` is out of range",
        "2:126 document.wrong-unit `5` is not a duration",
    ]
    assert hints(problems)[:2] == ["did you mean `openai`?", "did you mean `region`?"]


def test_a_provider_needs_an_account() -> None:
    """An empty list says how to write a provider that asks for no key."""
    problems = read("p: {dialect: openai, base_url: https://x.example, accounts: []}")[1]
    assert codes(problems) == ["catalogue.no-account"]
    assert codes(read("p: {dialect: openai, base_url: https://x.example}")[1]) == ["document.missing-key"]


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("api.example.com", True),
        ("203.0.114.9", True),
        ("[2606:4700::1]", True),
        ("localhost:8000", False),
        ("10.0.0.7", False),
        ("127.0.0.1:8080", False),
        ("[::1]", False),
        ("vllm.internal", False),
        ("vllm", False),
    ],
)
def test_keys_in_the_clear_are_pointed_out(host: str, warned: bool) -> None:
    """`http://` is for this machine and private networks; no key, no warning."""
    with_key = read(f"p: {{dialect: openai, base_url: 'http://{host}', accounts: [{{name: a, key: {{env: K}}}}]}}")[1]
    assert codes(with_key) == (["warning catalogue.key-in-the-clear"] if warned else [])
    assert not with_key.errors
    assert codes(url_problems(f"http://{host}")) == []
