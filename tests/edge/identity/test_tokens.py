"""Bearer tokens: who is let in by one, and above all who is not."""

from __future__ import annotations

import asyncio
import hmac
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as some

from routebook.catalogue.callers import Client
from routebook.edge.identity import key_sets, tokens
from routebook.edge.identity.key_sets import KeySets
from routebook.edge.identity.refusals import Reason, Refused
from routebook.edge.identity.tokens import Tokens
from tests.support.clock import SetClock
from tests.support.proxy import compiled, small_policy
from tests.support.tokens import AUDIENCE, CURVES, ISSUER, claims, ec_key, published, rsa_key, signed, unsigned
from tests.support.upstream import Close, Hang, Say, Upstream, head, reply

KEY = rsa_key("one")


def clients(jwks: str, more: str = "", others: str = "") -> dict[str, Client]:
    """A policy's clients: `staff`, whose tokens name their bearers."""
    written = f"clients:\n  staff: {{jwt: {{issuer: {ISSUER}, audience: {AUDIENCE}, jwks: {jwks}, {more}claims: {{name: sub}}}}}}\n"
    found: dict[str, Client] = compiled(small_policy("http://127.0.0.1:9", more=written + others)).clients
    return found


def never(_: Any) -> None:
    """Nothing is to be fetched."""
    raise AssertionError("a fetch was begun")


class Issuer:
    """Tokens of a policy whose issuer's keys stand in a file, and a clock."""

    def __init__(self, folder: Path, *keys: Any, more: str = "", others: str = "", set_more: tuple[object, ...] = ()):
        self.clock = SetClock()
        self.path = folder / "jwks.json"
        self.publish(*keys, more=set_more)
        self.tokens = Tokens(clients(f"{{file: {self.path}}}", more, others).values(), KeySets(never), 0.0)

    def publish(self, *keys: Any, more: tuple[object, ...] = ()) -> None:
        """Put another set in place of the one that is published, and let the worker look."""
        beside = self.path.with_suffix(".new")
        beside.write_bytes(published(*keys, more=more))
        beside.replace(self.path)
        self.clock.pass_by(1.0)

    def claims(self, **more: Any) -> dict[str, Any]:
        """An honest token's claims now."""
        return claims(self.clock.at, **more)

    def client_of(self, token: str) -> str:
        """Who presents a token."""
        return self.tokens.client_of(token, self.clock).name

    def refuses(self, token: str) -> Reason:
        """Why a token is refused; fails the test where it is not."""
        with pytest.raises(Refused) as refused:
            self.tokens.client_of(token, self.clock)
        return refused.value.reason


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512"])
def test_an_honest_token_names_its_bearer(tmp_path: Path, algorithm: str) -> None:
    """By each kind of signature that the policy pins; the form of a token is recognised."""
    key = ec_key(algorithm, CURVES[algorithm]) if algorithm in CURVES else KEY
    issuer = Issuer(tmp_path, key, more=f"algorithms: [{algorithm}], ")
    token = signed(issuer.claims(), key, algorithm)
    assert issuer.tokens.takes(token) and not issuer.tokens.takes("rb_key")
    assert issuer.client_of(token) == "staff/ann"


def test_an_algorithm_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    """Also a good one, and by the right key."""
    issuer = Issuer(tmp_path, KEY)
    assert issuer.refuses(signed(issuer.claims(), KEY, "RS512")) is Reason.TOKEN_ALGORITHM


def test_a_token_without_a_signature_is_refused(tmp_path: Path) -> None:
    """`none` in every spelling, and a good head with nothing behind it."""
    issuer = Issuer(tmp_path, KEY)
    for algorithm in ("none", "None", "NONE", "", None, 7, ["RS256"], {"RS256": 1}):
        assert issuer.refuses(unsigned({"alg": algorithm, "kid": "one"}, issuer.claims())) is Reason.TOKEN_ALGORITHM
    assert issuer.refuses(unsigned({"alg": "RS256", "kid": "one"}, issuer.claims())) is Reason.TOKEN_SIGNATURE


def test_the_public_key_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    """HS256 keyed with the issuer's public key, in each form that a library may take for a secret."""
    issuer = Issuer(tmp_path, KEY)
    public = KEY.public_key
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        issuer.path.read_bytes(),
    ):
        for algorithm, reason in (("HS256", Reason.TOKEN_ALGORITHM), ("RS256", Reason.TOKEN_SIGNATURE)):
            body = unsigned({"alg": algorithm, "kid": "one"}, issuer.claims()).rstrip(".")
            signature = hmac.digest(secret, body.encode(), "sha256")
            assert issuer.refuses(f"{body}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}") is reason


def test_a_shared_secret_in_the_key_set_is_no_key(tmp_path: Path) -> None:
    """Nor are keys for encryption, short ones, ones for another algorithm, and what is none at all."""
    short, other = rsa_key("short", 1024), rsa_key("other")
    odd = (
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "shared"},
        {**other.as_dict(private=False), "use": "enc", "kid": "enc"},
        {**other.as_dict(private=False), "alg": "PS256", "kid": "pss"},
        {**other.as_dict(private=False), "key_ops": ["encrypt"], "kid": "ops"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "tiny"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "new", "kid": "new"},
        "none",
        None,
    )
    issuer = Issuer(tmp_path, KEY, short, set_more=odd)
    assert issuer.client_of(signed(issuer.claims(), KEY)) == "staff/ann"
    assert issuer.refuses(signed(issuer.claims(), short)) is Reason.TOKEN_KEY
    for name in ("shared", "enc", "pss", "ops", "tiny", "empty", "new"):
        assert issuer.refuses(signed(issuer.claims(), other, kid=name)) is Reason.TOKEN_KEY, name


def test_another_ones_signature_is_refused(tmp_path: Path) -> None:
    """By an unknown key under a known name, and of another text."""
    issuer = Issuer(tmp_path, KEY, rsa_key("two"))
    assert issuer.refuses(signed(issuer.claims(), rsa_key("other"), kid="one")) is Reason.TOKEN_SIGNATURE
    assert issuer.refuses(signed(issuer.claims(), KEY, kid="two")) is Reason.TOKEN_SIGNATURE
    honest, forged = signed(issuer.claims(), KEY).split("."), signed(issuer.claims(sub="root"), KEY).split(".")
    assert issuer.refuses(".".join([honest[0], forged[1], honest[2]])) is Reason.TOKEN_SIGNATURE
    assert issuer.refuses(".".join([*honest[:2], honest[2][:-8] + "AAAAAAAA"])) is Reason.TOKEN_SIGNATURE


def test_a_key_is_found_by_its_name(tmp_path: Path) -> None:
    """An unknown name is nobody's; none at all is the only key there is, and nobody's where there are two."""
    issuer = Issuer(tmp_path, KEY)
    assert issuer.refuses(signed(issuer.claims(), KEY, kid="x")) is Reason.TOKEN_KEY
    assert issuer.refuses(unsigned({"alg": "RS256", "kid": 7}, issuer.claims())) is Reason.TOKEN_KEY
    assert issuer.client_of(signed(issuer.claims(), KEY, kid=None)) == "staff/ann"
    two = Issuer(tmp_path, KEY, rsa_key("two"))
    assert two.refuses(signed(two.claims(), KEY, kid=None)) is Reason.TOKEN_KEY


def test_a_key_that_a_token_brings_along_is_not_listened_to(tmp_path: Path) -> None:
    """Nor an address to fetch one from; what must be understood (`crit`) is not."""
    issuer, own = Issuer(tmp_path, KEY), rsa_key("other")
    for more in (
        {"jwk": own.as_dict(private=False)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example"},
    ):
        assert issuer.refuses(signed(issuer.claims(), own, kid="one", **more)) is Reason.TOKEN_SIGNATURE
    assert issuer.refuses(unsigned({"alg": "RS256", "kid": "one", "crit": ["b64"]}, {**issuer.claims()})) in (
        Reason.TOKEN_ALGORITHM,
    )


def test_a_head_may_say_more(tmp_path: Path) -> None:
    """Some issuers add entries of their own, and certificates that make it long."""
    issuer = Issuer(tmp_path, KEY)
    assert issuer.client_of(signed(issuer.claims(), KEY, nonce="abc", typ="at+jwt", x5c=["M" * 2000])) == "staff/ann"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"iss": "https://evil.example.com"}, Reason.TOKEN_ISSUER),
        ({"iss": ISSUER + "/"}, Reason.TOKEN_ISSUER),
        ({"iss": None}, Reason.TOKEN_ISSUER),
        ({"iss": [ISSUER]}, Reason.TOKEN_ISSUER),
        ({"aud": "other"}, Reason.TOKEN_AUDIENCE),
        ({"aud": None}, Reason.TOKEN_AUDIENCE),
        ({"aud": {AUDIENCE: 1}}, Reason.TOKEN_AUDIENCE),
        ({"exp": None}, Reason.TOKEN_CLAIMS),
        ({"exp": "tomorrow"}, Reason.TOKEN_CLAIMS),
        ({"exp": True}, Reason.TOKEN_CLAIMS),
        ({"exp": 0}, Reason.TOKEN_TIME),
        ({"nbf": 4e9}, Reason.TOKEN_TIME),
        ({"iat": 4e9}, Reason.TOKEN_TIME),
        ({"nbf": "x"}, Reason.TOKEN_CLAIMS),
        ({"sub": None}, Reason.TOKEN_CLAIMS),
        ({"sub": ["ann"]}, Reason.TOKEN_CLAIMS),
        ({"sub": ""}, Reason.TOKEN_CLAIMS),
        ({"groups": ["guests"]}, Reason.TOKEN_CLAIMS),
    ],
)
def test_a_signed_token_with_wrong_claims_is_refused(tmp_path: Path, more: dict[str, Any], reason: Reason) -> None:
    """Another issuer, another audience, another time, no name, or without what is required."""
    issuer = Issuer(tmp_path, KEY, more="require: {groups: [llm, all]}, ")
    said = issuer.claims(groups=["llm"])
    assert issuer.client_of(signed(said, KEY)) == "staff/ann"
    changed = {name: value for name, value in {**said, **more}.items() if value is not None}
    assert issuer.refuses(signed(changed, KEY)) is reason


def test_clocks_may_differ_a_little(tmp_path: Path) -> None:
    """By half a minute either way, and no more."""
    issuer = Issuer(tmp_path, KEY)
    now = issuer.clock.at
    assert issuer.client_of(signed(issuer.claims(exp=now - 20, nbf=now + 20, iat=now + 20), KEY)) == "staff/ann"
    for late in ({"exp": now - 31}, {"nbf": now + 31}, {"iat": now + 31}):
        assert issuer.refuses(signed(issuer.claims(**late), KEY)) is Reason.TOKEN_TIME


def test_a_token_that_was_verified_ends_all_the_same(tmp_path: Path) -> None:
    """What is remembered of it does not outlive it."""
    issuer = Issuer(tmp_path, KEY)
    token = signed(issuer.claims(exp=issuer.clock.at + 60), KEY)
    assert issuer.client_of(token) == "staff/ann"
    issuer.clock.pass_by(60 + tokens.LEEWAY - 1)
    assert issuer.client_of(token) == "staff/ann"
    issuer.clock.pass_by(1)
    assert issuer.refuses(token) is Reason.TOKEN_TIME


def test_a_key_that_its_issuer_withdraws_ends_its_tokens(tmp_path: Path) -> None:
    """Also those that had been verified; a new key is known as soon as it is published."""
    issuer = Issuer(tmp_path, KEY)
    token = signed(issuer.claims(), KEY)
    assert issuer.client_of(token) == "staff/ann"
    issuer.publish(rsa_key("two"))
    assert issuer.refuses(token) is Reason.TOKEN_KEY
    assert issuer.client_of(signed(issuer.claims(), rsa_key("two"))) == "staff/ann"


def test_while_keys_are_not_known_nobody_is_let_in(tmp_path: Path) -> None:
    """A key set that is gone, or is none: tokens cannot be verified, not even one that was."""
    issuer = Issuer(tmp_path, KEY)
    token = signed(issuer.claims(), KEY)
    assert issuer.client_of(token) == "staff/ann"
    for content in (b"{}", b"[", b'{"keys": 7}', b"x" * (key_sets.MOST_BYTES + 1)):
        issuer.path.write_bytes(content)
        issuer.clock.pass_by(1.0)
        assert issuer.refuses(token) is Reason.UNVERIFIABLE
    issuer.path.unlink()
    issuer.clock.pass_by(1.0)
    assert issuer.refuses(token) is Reason.UNVERIFIABLE
    issuer.publish(KEY)
    assert issuer.client_of(token) == "staff/ann"


def test_who_requires_more_is_asked_first(tmp_path: Path) -> None:
    """A token of admins is not one of everybody's, however the policy is ordered."""
    admins = (
        f"  admins: {{team: it, jwt: {{issuer: {ISSUER}, audience: {AUDIENCE}, jwks: {{file: {tmp_path}/jwks.json}}, "
        "require: {roles: admin}}}\n"
    )
    issuer = Issuer(tmp_path, KEY, others=admins)
    assert issuer.client_of(signed(issuer.claims(roles=["admin"]), KEY)) == "admins"
    assert issuer.client_of(signed(issuer.claims(roles=["user"]), KEY)) == "staff/ann"


@settings(max_examples=200, deadline=None)
@given(
    some.one_of(some.text(), some.tuples(some.text(), some.text(), some.text()).map("eyJ{0[0]}.{0[1]}.{0[2]}".format))
)
def test_garbage_is_refused(text: str) -> None:
    """Whatever stands in the place of a token: a refusal, never another exception."""
    terms = clients("{file: /nowhere/jwks.json}").values()
    with pytest.raises(Refused):
        Tokens(terms, KeySets(never), 0.0).client_of(text, SetClock())


@settings(max_examples=100, deadline=None)
@given(
    some.recursive(
        some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
        lambda inner: (
            some.lists(inner) | some.dictionaries(some.sampled_from(["iss", "aud", "exp", "alg", "kid", "sub"]), inner)
        ),
    ),
    some.booleans(),
)
def test_any_claims_are_read_or_refused(value: Any, in_head: bool) -> None:
    """Heads and claims of any shape that JSON has."""
    value = value if isinstance(value, dict) else {"iss": value, "aud": value, "exp": value, "kid": value}
    whole_head, said = {"alg": "RS256", "kid": "one"}, {"iss": ISSUER, "aud": AUDIENCE, "exp": 4e9}
    token = unsigned({**whole_head, **value} if in_head else whole_head, said if in_head else {**said, **value})
    with pytest.raises(Refused):
        Tokens(clients("{file: /nowhere/jwks.json}").values(), KeySets(never), 0.0).client_of(token, SetClock())


async def test_keys_are_fetched_in_the_background(tmp_path: Path, upstream: Upstream) -> None:
    """From the moment a policy names them. An unknown key is looked for once in a while, not at a stranger's bidding."""
    clock, tasks = SetClock(), set[asyncio.Task[None]]()

    async def settled() -> None:
        await asyncio.gather(*tasks)
        tasks.clear()

    def refusal(token: str) -> Reason:
        with pytest.raises(Refused) as refused:
            found.client_of(token, clock)
        return refused.value.reason

    upstream.will(reply(published(KEY)))
    sets = KeySets(lambda work: tasks.add(asyncio.get_running_loop().create_task(work)))
    found = Tokens(clients(f"{{url: {upstream.url}/keys}}").values(), sets, clock.monotonic())
    token, other = signed(claims(clock.at), KEY), signed(claims(clock.at), rsa_key("two"))
    assert refusal(token) is Reason.UNVERIFIABLE, "nothing waits for a fetch"
    await settled()
    assert found.client_of(token, clock).name == "staff/ann"

    assert refusal(other) is Reason.TOKEN_KEY and not tasks, "the set was fetched a moment ago"
    clock.pass_by(key_sets.UNKNOWN_SECONDS + 1)
    upstream.will(reply(published(KEY, rsa_key("two"))))
    assert refusal(other) is Reason.UNVERIFIABLE, "it may be a new one"
    await settled()
    assert found.client_of(other, clock).name == "staff/ann"
    assert refusal(signed(claims(clock.at), KEY, kid="made-up")) is Reason.TOKEN_KEY and not tasks
    assert [request.target for request in upstream.requests] == ["/v1/keys", "/v1/keys"]


async def test_keys_that_cannot_be_fetched_again_are_kept_for_a_day(upstream: Upstream) -> None:
    """An issuer that is away for an hour locks nobody out; one that is away for a day vouches for nobody."""
    clock, tasks = SetClock(), set[asyncio.Task[None]]()
    upstream.will(reply(published(KEY)))
    sets = KeySets(lambda work: tasks.add(asyncio.get_running_loop().create_task(work)))
    found = Tokens(clients(f"{{url: {upstream.url}/keys}}").values(), sets, clock.monotonic())
    await asyncio.gather(*tasks)
    for play in (
        [Say(head(302, [("Location", "/elsewhere"), ("Content-Length", "0")]))],
        reply(b"{}"),
        reply(b"x" * (key_sets.MOST_BYTES + 1)),
        [Say(head(200, [("Content-Length", "9999")]) + b"{"), Close()],
        [Say(head(500, [("Content-Length", "0")]))],
    ):
        clock.pass_by(key_sets.RENEW_SECONDS + 1)
        upstream.will(play)
        assert found.client_of(signed(claims(clock.at), KEY), clock).name == "staff/ann"
        await asyncio.gather(*tasks)
    assert len(upstream.requests) == 6, "each was asked for, and no redirect was followed"
    clock.pass_by(key_sets.STALE_SECONDS)
    upstream.will([Hang()])
    with pytest.raises(Refused) as refused:
        found.client_of(signed(claims(clock.at), KEY), clock)
    assert refused.value.reason is Reason.UNVERIFIABLE
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
