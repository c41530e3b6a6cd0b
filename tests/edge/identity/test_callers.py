"""Who is let in, by what they present, and in which words everybody else is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from routebook.edge.identity.keys import digest_of, key_of
from routebook.edge.identity.pepper import own_pepper
from routebook.edge.identity.refusals import Reason
from routebook.edge.identity.store import FILE, KeyStore
from routebook.edge.identity.watched import LOOK_SECONDS
from tests.support.asking import CHAT, ask, chat
from tests.support.clock import SetClock
from tests.support.proxy import LocalProxy, in_process, small_policy
from tests.support.rawclient import Answer, RawClient, get, post
from tests.support.tokens import AUDIENCE, ISSUER, claims, published, rsa_key, signed
from tests.support.upstream import Upstream

Headers = Sequence[tuple[str, str]]

DAY = 86_400.0
CLIENTS = "clients:\n  web: {team: shop}\n  batch: {team: research}\n"
FORMS = ("Authorization", "x-api-key", "x-goog-api-key", "api-key")


class Door:
    """A proxy with clients, its store of keys and its clock."""

    def __init__(self, proxy: LocalProxy, clock: SetClock) -> None:
        self.proxy = proxy
        self.clock = clock
        self.store = KeyStore(proxy.state_dir, {})

    def create(self, client: str = "web", expires: float | None = None) -> tuple[str, str]:
        """A new key that counts from now on, and its id."""
        key, kept = self.store.create(client, self.clock.at, expires, None)
        self.look()
        return key, kept.id

    def look(self) -> None:
        """Let the time pass after which a worker looks at its files."""
        self.clock.pass_by(LOOK_SECONDS)

    async def ask(self, headers: Headers = (), path: str = CHAT) -> Answer:
        """One request."""
        return await ask(self.proxy.url, chat(), path, headers=headers)

    async def client(self, headers: Headers = (), path: str = CHAT) -> str:
        """Whom a request was taken for, as its record says; fails the test where it was refused."""
        answer = await self.ask(headers, path)
        assert answer.status == 200, answer.body
        record = await self.proxy.record(str(answer.header("x-routebook-decision")))
        return str(record.decided["client"])

    async def refusal(self, headers: Headers = (), path: str = CHAT) -> str:
        """Why a request was refused with 401, as the metric says; the answer is always the same."""
        before = self.refusals()
        answer = await self.ask(headers, path)
        assert (answer.status, answer.header("x-routebook-error")) == (401, "caller.unknown")
        assert answer.json()["error"]["message"] == "the key of a client of this gateway is needed"
        assert answer.header("WWW-Authenticate") == "Bearer"
        (reason,) = {reason for reason, count in self.refusals().items() if count != before.get(reason)}
        return reason

    def refusals(self) -> dict[str, float]:
        """Refused callers by reason."""
        rows = self.proxy.gateway.metrics.snapshot()["routebook_callers_refused"]
        return {labels[0]: count for labels, count in rows if isinstance(count, float | int)}


@asynccontextmanager
async def opened(folder: Path, upstream: Upstream, more: str = CLIENTS) -> AsyncIterator[Door]:
    """A proxy whose policy declares clients."""
    clock = SetClock()
    async with in_process(folder, small_policy(upstream.url, more=more), clock=clock) as proxy:
        yield Door(proxy, clock)


@pytest.fixture
async def door(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Door]:
    """A proxy whose policy declares `web` and `batch`, without keys."""
    async with opened(tmp_path, upstream) as found:
        yield found


def bearer(key: str) -> Headers:
    """How OpenAI's library sends a key."""
    return [("Authorization", f"Bearer {key}")]


async def test_a_key_is_taken_in_every_form(door: Door) -> None:
    """As the libraries of OpenAI, Anthropic, Google and Azure send it, and in the address."""
    key, _ = door.create()
    for form in FORMS:
        assert await door.client([(form, f"Bearer {key}" if form == "Authorization" else key)]) == "web"
    assert await door.client([("authorization", f"bearer   {key} ")]) == "web"
    assert await door.client(path=f"{CHAT}?alt=sse&key={key}") == "web"
    assert await door.client(path=f"{CHAT}?k%65y={quote(key[0])}{key[1:]}&key=") == "web"


async def test_the_same_key_twice_is_one_key(door: Door) -> None:
    """Two that differ are nobody's, wherever they stand, and also where both are good."""
    key, _ = door.create()
    other, _ = door.create("batch")
    assert await door.client([*bearer(key), ("x-api-key", key), ("api-key", "")], f"{CHAT}?key={key}") == "web"
    for form in FORMS[1:]:
        assert await door.refusal([*bearer(key), (form, other)]) == "several"
    assert await door.refusal([*bearer(key), *bearer(other)]) == "several"
    assert await door.refusal([("x-api-key", key), ("x-api-key", other)]) == "several"
    assert await door.refusal(bearer(key), f"{CHAT}?key={other}") == "several"
    assert await door.refusal((), f"{CHAT}?key={key}&key={other}") == "several"


async def test_what_is_no_key_is_refused_in_the_same_words(door: Door) -> None:
    """Nothing, too little, another scheme, a slip, a stranger's key; the metric tells them apart."""
    key, _ = door.create()
    stranger = key_of(b"s" * 32)
    assert await door.refusal() == "none"
    assert await door.refusal([("Authorization", "Bearer ")]) == "none"
    assert await door.refusal([("Authorization", "Basic d2ViOndlYg==")]) == "malformed"
    assert await door.refusal([("Authorization", key)]) == "malformed"
    assert await door.refusal((), f"{CHAT}?" + "&".join(f"key=a{number}" for number in range(200))) == "malformed"
    assert await door.refusal(bearer(key[:-1])) == "mistyped"
    assert await door.refusal(bearer(key + "x")) == "mistyped"
    assert await door.refusal(bearer(key.lower() if key != key.lower() else key.upper())) in ("mistyped", "unknown")
    assert await door.refusal(bearer(stranger)) == "unknown"
    assert await door.refusal(bearer("sk-0123456789")) == "unknown"
    assert await door.refusal(bearer("none needed here")) == "unknown"


async def test_a_key_like_another_is_another(door: Door) -> None:
    """All but one character, a prefix, more behind it, another case: there is no likeness among digests."""
    keys = [door.create(client)[0] for client in ("web", "batch") * 4]
    for number, key in enumerate(keys):
        assert await door.client(bearer(key)) == ("web", "batch")[number % 2]
    for place in range(len(keys[0])):
        changed = keys[0][:place] + ("a" if keys[0][place] != "a" else "b") + keys[0][place + 1 :]
        assert await door.refusal(bearer(changed)) in ("mistyped", "unknown")


async def test_keys_that_share_63_of_64_characters_are_told_apart(tmp_path: Path, upstream: Upstream) -> None:
    """Also keys that were made elsewhere, of which the policy holds digests."""
    state_dir = tmp_path / "var"
    state_dir.mkdir()
    pepper = own_pepper(state_dir, {})
    keys = {name: "k" * 63 + name[0] for name in ("ann", "bob", "Ann")}
    more = "clients:\n" + "".join(
        f'  {name}: {{keys: ["hmac-sha256:{digest_of(pepper, key).hex()}"]}}\n' for name, key in keys.items()
    )
    async with opened(tmp_path, upstream, more) as door:
        for name, key in keys.items():
            assert await door.client(bearer(key)) == name
        for key in ("k" * 64, "k" * 63, "k" * 63 + "c", "K" * 63 + "a", "k" * 63 + "aa"):
            assert await door.refusal(bearer(key)) == "unknown"


async def test_a_key_expires_and_is_revoked(door: Door) -> None:
    """At its second, and with the next look at the store; the record knows nothing of who it was."""
    key, identity = door.create(expires=door.clock.at + DAY)
    door.clock.pass_by(DAY - 2)
    assert await door.client(bearer(key)) == "web"
    door.clock.pass_by(2)
    assert await door.refusal(bearer(key)) == "expired"
    other, identity = door.create()
    assert await door.client(bearer(other)) == "web"
    door.store.revoke(identity, door.clock.at)
    door.look()
    assert await door.refusal(bearer(other)) == "revoked"
    assert {record.decided["client"] for record in (await door.proxy.ended_records()).values()} == {"web", None}


async def test_a_rotated_key_and_its_successor_overlap(door: Door) -> None:
    """Both are the same client's until the overlap is over; then one is."""
    key, identity = door.create()
    successor, _, _ = door.store.rotate(identity, door.clock.at, DAY, None)
    door.look()
    assert [await door.client(bearer(each)) for each in (key, successor)] == ["web", "web"]
    door.clock.pass_by(DAY)
    assert await door.refusal(bearer(key)) == "expired"
    assert await door.client(bearer(successor)) == "web"


async def test_a_key_of_nobody_that_the_policy_knows_is_refused(door: Door) -> None:
    """And let in as soon as a policy declares its client."""
    key, _ = door.create("later")
    assert await door.refusal(bearer(key)) == "undeclared"
    door.proxy.take(small_policy("http://127.0.0.1:9", more="clients: {later: {}}"))
    answer = await door.ask(bearer(key))
    assert answer.header("x-routebook-error") == "upstream.unreachable"


async def test_a_store_that_cannot_be_read_lets_nobody_in(door: Door) -> None:
    """503, and never as somebody else; all is well when it can be read again."""
    key, _ = door.create()
    path = door.proxy.state_dir / FILE
    whole = path.read_bytes()
    for content in (b"", whole[:-10], b"[]", whole.replace(b'"digest": "', b'"digest": "xx')):
        path.write_bytes(content)
        door.look()
        answer = await door.ask(bearer(key))
        assert (answer.status, answer.header("x-routebook-error")) == (503, "caller.unverifiable")
        assert key not in answer.body.decode()
    path.write_bytes(whole)
    door.look()
    assert await door.client(bearer(key)) == "web"


async def test_a_pepper_that_is_gone_lets_nobody_in(door: Door) -> None:
    """No key of the store can be known without the one that it was made with."""
    key, _ = door.create()
    pepper = door.proxy.state_dir / "keys.pepper"
    whole = pepper.read_bytes()
    for change in (pepper.unlink, lambda: pepper.write_bytes(b"another"), lambda: pepper.write_bytes(b"")):
        change()
        door.look()
        assert (await door.ask(bearer(key))).status == 503
    pepper.write_bytes(whole)
    door.look()
    assert await door.client(bearer(key)) == "web"


async def test_keys_of_the_policy_do_not_need_the_store(tmp_path: Path, upstream: Upstream) -> None:
    """They are known while it cannot be read; what the store says of one comes first while it can."""
    state_dir = tmp_path / "var"
    state_dir.mkdir()
    pepper, key = own_pepper(state_dir, {}), key_of(b"p" * 32)
    digest = digest_of(pepper, key).hex()
    async with opened(tmp_path, upstream, f'clients: {{web: {{keys: ["hmac-sha256:{digest}"]}}}}') as door:
        assert await door.client(bearer(key)) == "web"
        (state_dir / FILE).write_bytes(b"broken")
        door.look()
        assert await door.client(bearer(key)) == "web"
        assert (await door.ask(bearer(key_of(b"q" * 32)))).status == 503
        (state_dir / FILE).unlink()
        identity = door.create()[1]
        stored = json.loads((state_dir / FILE).read_bytes())
        stored["keys"][0]["digest"] = digest
        (state_dir / FILE).write_text(json.dumps(stored))
        door.store.revoke(identity, door.clock.at)
        door.look()
        assert await door.refusal(bearer(key)) == "revoked"


async def test_a_token_and_a_key_are_taken_side_by_side(tmp_path: Path, upstream: Upstream) -> None:
    """The bearer's name, team and tags come from the token, into the record; a refused one is refused as a key is."""
    (tmp_path / "jwks.json").write_bytes(published(rsa_key("one")))
    more = f"""
clients:
  web: {{}}
  staff:
    tags: [eu]
    jwt: {{issuer: {ISSUER}, audience: {AUDIENCE}, jwks: {{file: {tmp_path}/jwks.json}},
          claims: {{name: sub, team: groups.0, tags: roles}}}}
guarantees:
  - {{name: night-owls, when: {{tags: {{any: [night]}}}}, only: {{model: [large]}}}}
"""
    async with opened(tmp_path, upstream, more) as door:
        key, _ = door.create()
        assert await door.client(bearer(key)) == "web"
        said = claims(door.clock.at, groups=["research"], roles=["batch"])
        answer = await door.ask(bearer(signed(said, rsa_key("one"))))
        assert answer.status == 200
        record = await door.proxy.record(str(answer.header("x-routebook-decision")))
        assert (record.decided["client"], record.decided["team"]) == ("staff/ann", "research")
        assert record.decided["facts"]["tags"] == ["batch", "eu"]
        assert await door.refusal(bearer(signed(said, rsa_key("two"), kid="one"))) == "token-signature"
        assert await door.refusal(bearer("eyJ.a.b")) == "token-malformed"
        (tmp_path / "jwks.json").unlink()
        door.look()
        assert (await door.ask(bearer(signed(said, rsa_key("one"))))).status == 503


async def test_without_clients_nobody_needs_a_key(tmp_path: Path, upstream: Upstream) -> None:
    """Whoever stands on this machine is `anonymous`, whatever they present: libraries insist on a key."""
    async with opened(tmp_path, upstream, "") as door:
        assert await door.client() == await door.client([*bearer("none"), ("x-api-key", "other")]) == "anonymous"


async def test_models_are_listed_for_clients_only(door: Door) -> None:
    """With the same key, in the same words."""
    key, _ = door.create()
    for path in ("/v1/models", "/v1/models/small"):
        async with RawClient(door.proxy.url) as client:
            assert (await client.ask(get(path))).status == 401
            assert (await client.ask(get(path, bearer(key)))).status == 200


async def test_tags_that_a_client_may_not_set_are_recorded(tmp_path: Path, upstream: Upstream) -> None:
    """Its own and those it may set count; the others are named in the record, whether or not a rule asks for tags."""
    more = "clients: {web: {tags: [eu], may_set_tags: [batch]}}\n"
    async with opened(tmp_path, upstream, more) as door:
        key, _ = door.create()
        answer = await door.ask([*bearer(key), ("x-routebook-tags", "batch, phi")])
        record = await door.proxy.record(str(answer.header("x-routebook-decision")))
        assert record.decided["asked"]["ignored_tags"] == ["phi"]


def visible(raw: bytes) -> bytes:
    """What may stand in a header's value without ending it."""
    return bytes(letter for letter in raw if letter not in b"\r\n\0").strip(b" \t")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=some.binary(max_size=300), form=some.sampled_from([*FORMS, "query"]))
async def test_any_bytes_as_a_credential_are_refused(door: Door, raw: bytes, form: str) -> None:
    """401, or 400 where they make the head of the request none; never a fault of ours, and never somebody."""
    value = visible(raw)
    if form == "query":
        target, line = f"{CHAT}?key={quote(raw)}".encode(), b"X-Nothing: 1"
    else:
        target, line = CHAT.encode(), form.encode() + b": " + (b"Bearer " if form == "Authorization" else b"") + value
    request = post(CHAT, chat()).replace(CHAT.encode(), target, 1).replace(b"Host: test", b"Host: test\r\n" + line, 1)
    async with RawClient(door.proxy.url) as client:
        assert (await client.ask(request)).status in (400, 401)


def test_every_reason_is_a_word_of_its_own() -> None:
    """They are labels of a metric: few, and plain."""
    words = [reason.value for reason in Reason]
    assert len(set(words)) == len(words) < 30 and all(word.replace("-", "").isalpha() for word in words)
