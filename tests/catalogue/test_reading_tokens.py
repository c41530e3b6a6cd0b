"""`jwt` of clients, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.catalogue.callers import ANONYMOUS, ClaimNames, Client, KeySetFile, KeySetUrl, TokenTerms, client_named
from routebook.catalogue.reading_clients import read_clients
from routebook.documents.problems import Problems
from tests.support.authored import codes, entries

SHORT = "issuer: https://login.example.com, audience: routebook, jwks: {url: https://login.example.com/keys}"


def read(text: str) -> tuple[dict[str, Client], Problems]:
    problems = Problems()
    return read_clients(entries(text), [], {}, problems), problems


def test_terms_are_read_whole() -> None:
    """Every key has its place; what a claim must say is one of several texts."""
    clients, problems = read("""
staff:
  jwt:
    issuer: https://login.example.com
    audience: [routebook, gateway]
    jwks: {file: /etc/keys.json}
    algorithms: [ES384]
    require: {email_verified: true, roles: [llm, admin]}
    claims: {name: sub, team: groups.0, tags: roles, labels: {site: address.country}}
""")
    assert not problems.found
    assert clients["staff"].tokens == TokenTerms(
        "https://login.example.com",
        ("routebook", "gateway"),
        KeySetFile("/etc/keys.json"),
        ("ES384",),
        {"email_verified": frozenset({"true"}), "roles": frozenset({"llm", "admin"})},
        ClaimNames("sub", "groups.0", "roles", {"site": "address.country"}),
    )


def test_the_usual_is_left_out() -> None:
    """Two common asymmetric algorithms, nothing further required, nobody named by a claim."""
    terms = read(f"staff: {{jwt: {{{SHORT}}}}}")[0]["staff"].tokens
    assert (
        terms is not None
        and terms.algorithms == ("RS256", "ES256")
        and terms.key_set == KeySetUrl("https://login.example.com/keys")
    )
    assert (terms.require, terms.claims) == ({}, ClaimNames())


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS384", "HS512", "dir", "RSA1_5"])
def test_only_signatures_that_the_issuer_alone_can_make_are_taken(algorithm: str) -> None:
    """A secret that is shared, or nothing at all, proves nothing."""
    assert codes(read(f"a: {{jwt: {{{SHORT}, algorithms: [RS256, {algorithm}]}}}}")[1]) == ["document.unknown-word"]


@pytest.mark.parametrize(
    "jwks",
    [
        "http://login.example.com/keys",
        "ftp://login.example.com/keys",
        "https://user:secret@login.example.com/keys",
        "https://",
        "https://login.example.com:99999/keys",
        "//login.example.com/keys",
    ],
)
def test_public_keys_come_by_a_way_that_can_be_trusted(jwks: str) -> None:
    """Whoever could change them on their way could sign tokens; what may be a secret is not repeated."""
    problems = read(f'a: {{jwt: {{issuer: i, audience: a, jwks: {{url: "{jwks}"}}}}}}')[1]
    assert codes(problems) == ["catalogue.bad-url"]
    assert "secret" not in "".join(problem.message + (problem.hint or "") for problem in problems)


@pytest.mark.parametrize(
    "jwks", ["https://a.example/keys?p=policy", "http://127.0.0.1:9/keys", "http://keys.internal/"]
)
def test_public_keys_may_stand_nearby(jwks: str) -> None:
    """This machine and private networks are reached unencrypted; an address may have a query."""
    assert not read(f'a: {{jwt: {{issuer: i, audience: a, jwks: {{url: "{jwks}"}}}}}}')[1].found


@pytest.mark.parametrize("jwks", ["{}", "{url: https://a.example/k, file: k}"])
def test_public_keys_stand_in_one_place(jwks: str) -> None:
    """Neither none nor two."""
    assert codes(read(f"a: {{jwt: {{issuer: i, audience: a, jwks: {jwks}}}}}")[1]) == ["catalogue.bad-key-set"]


def test_what_is_needed_is_missed() -> None:
    """Issuer, audience and keys: without one of them a token proves nothing."""
    assert codes(read("a: {jwt: {issuer: i}}")[1]) == ["document.missing-key", "document.missing-key"]
    assert codes(read("a: {jwt: {issuer: i, audience: [], jwks: {file: k}}}")[1]) == ["policy.empty-list"]
    assert codes(read("a: {jwt: {issuer: i, audience: a, jwks: {file: k}, algorithms: []}}")[1]) == [
        "policy.empty-list"
    ]


def test_a_token_fits_one_client() -> None:
    """Two clients with the same terms could not be told apart; an audience or a required claim tells them apart."""
    twins = f"a: {{jwt: {{{SHORT}}}}}\nb: {{jwt: {{{SHORT}}}}}"
    assert codes(read(twins)[1]) == ["catalogue.shared-issuer"]
    assert not read(f"a: {{jwt: {{{SHORT}}}}}\nb: {{jwt: {{{SHORT}, require: {{roles: admin}}}}}}")[1].found
    assert not read(twins.replace("audience: routebook", "audience: other", 1))[1].found


def test_nobody_is_named_as_a_bearer() -> None:
    """The names of bearers begin with their client's, and nobody else's does."""
    named = f"staff: {{jwt: {{{SHORT}, claims: {{name: sub}}}}}}\n"
    assert codes(read(named + "staff/root: {}")[1]) == ["document.reserved-name"]
    assert not read(named + "stafford: {}")[1].found
    assert not read(f"staff: {{jwt: {{{SHORT}}}}}\nstaff/root: {{}}")[1].found


def test_a_bearer_has_what_its_client_has() -> None:
    """By name: exactly, else by the client whose bearers are named so, else nobody in particular."""
    clients, _ = read(f"staff: {{jwt: {{{SHORT}, claims: {{name: sub}}}}}}\nweb: {{}}")
    assert client_named(clients, "web") is clients["web"]
    assert client_named(clients, "staff/ann/../b") is clients["staff"]
    assert client_named(clients, "web/ann") is ANONYMOUS and client_named(clients, "staf") is ANONYMOUS
