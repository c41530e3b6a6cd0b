"""Which addresses an upstream may turn out to have, by what its host is and what the policy says of it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.catalogue.reach import Reach, is_near, reach_of

PUBLIC = ["8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "64:ff9b::808:808", "::ffff:8.8.8.8"]
PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "fd12:3456::1",
    "100.64.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "0.0.0.0",
    "::",
]
CREDENTIALS = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "168.63.129.16",
    "100.100.100.200",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Anybody may have one."""
    assert Reach.PUBLIC.allows(address) and Reach.NEAR.allows(address)


@pytest.mark.parametrize("address", [*PRIVATE, *CREDENTIALS, "224.0.0.1", "ff02::1", "240.0.0.1", "192.0.2.1"])
def test_what_each_reach_allows(address: str) -> None:
    """None but public ones for a public name; of one that is near, those of a network, but none that gives credentials;
    all where the policy says so."""
    assert not Reach.PUBLIC.allows(address) and Reach.ANY.allows(address)
    assert Reach.NEAR.allows(address) == (address not in CREDENTIALS and not address.startswith("fe80"))


@given(st.ip_addresses(v=4))
def test_ipv6_forms_of_an_address_are_that_address(address: ipaddress.IPv4Address) -> None:
    """Written into IPv6 in whatever way, an address is as private as it is."""
    mapped, translated = (
        f"::ffff:{address}",
        str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))),
    )
    assert Reach.PUBLIC.allows(mapped) == Reach.PUBLIC.allows(str(address))
    assert not Reach.PUBLIC.allows(translated) or Reach.PUBLIC.allows(str(address))


@pytest.mark.parametrize(
    ("host", "said", "reach"),
    [
        ("api.openai.com", None, Reach.PUBLIC),
        ("api.openai.com", True, Reach.ANY),
        ("vllm.internal", None, Reach.NEAR),
        ("simulated", None, Reach.NEAR),
        ("localhost", None, Reach.NEAR),
        ("10.0.0.5", None, Reach.NEAR),
        ("::1", None, Reach.NEAR),
        ("8.8.8.8", None, Reach.PUBLIC),
        ("0x7f000001.example", None, Reach.PUBLIC),
        ("vllm.internal", False, Reach.PUBLIC),
    ],
)
def test_what_a_policy_means(host: str, said: bool | None, reach: Reach) -> None:
    """Where it says nothing, a host that is near as it is written may be near."""
    assert reach_of(host, said) is reach and is_near(host) == (reach_of(host, None) is Reach.NEAR)
