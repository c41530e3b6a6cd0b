"""Where the shared store is: every form of its URL, and no secret in what is shown."""

from __future__ import annotations

import pytest

from routebook.edge.ledger.redis_store import SharedStore
from routebook.edge.ledger.store_address import (
    LARGEST,
    PASSWORD,
    TIMEOUT,
    BadAddress,
    read_address,
    too_large_for_redis,
)

SECRET = "canary-5up3r"


def test_a_url_names_host_port_and_database() -> None:
    """What a URL says is taken, and the usual is assumed where it says nothing."""
    address = read_address("redis://store.example:7000/3", {})
    assert (address.host, address.port, address.database, address.encrypted) == ("store.example", 7000, 3, False)
    plain = read_address("rediss://store.example", {})
    assert (plain.port, plain.database, plain.encrypted) == (6379, 0, True)
    assert str(read_address("redis://[::1]:7000", {})) == "redis://[::1]:7000/0"


def test_a_socket_file_is_an_address() -> None:
    """A Unix socket is named by its path, its database by a setting."""
    address = read_address("unix:///run/redis.sock?db=2", {})
    assert (address.path, address.database, str(address)) == ("/run/redis.sock", 2, "unix:///run/redis.sock")


def test_there_always_is_a_time_out() -> None:
    """A URL can ask for more time, never for less or for none."""
    assert read_address("redis://h", {}).timeout == TIMEOUT
    assert read_address("redis://h?timeout_ms=200", {}).timeout == 0.2
    assert read_address("redis://h?timeout_ms=1", {}).timeout == TIMEOUT
    assert read_address("redis://h?timeout_ms=0", {}).timeout == TIMEOUT


def test_a_password_comes_from_the_url_or_the_environment() -> None:
    """The URL's own password is taken before that of the environment; both may hold any character."""
    assert read_address("redis://me:a%40b@h", {PASSWORD: "other"}).password == "a@b"
    from_environment = read_address("redis://me@h", {PASSWORD: "other"})
    assert (from_environment.user, from_environment.password) == ("me", "other")
    assert read_address("redis://h", {}).password is None


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an address nor a store tells its password, however it is written out."""
    address = read_address(f"redis://me:{SECRET}@h", {})
    monkeypatch.setenv(PASSWORD, SECRET)
    store = SharedStore(f"redis://me:{SECRET}@h", "one")
    assert SECRET not in f"{address} {address!r} {store} {store!r} {store.breaker!r}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://me:{SECRET}@h", "begins with `redis://`, `rediss://` or `unix://`"),
        (f"redis://me:{SECRET}@", "names no host"),
        ("unix://", "names no path"),
        (f"redis://me:{SECRET}@h:port", "cannot be read"),
        (f"redis://me:{SECRET}@h/first", "`db` in the URL"),
        (f"redis://me:{SECRET}@h?timeout_ms=-1", "`timeout_ms` in the URL"),
        (f"redis://me:{SECRET}@h?socket_timeout=none", "a setting that is none"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, message: str) -> None:
    """What cannot be understood is said, without repeating what may hold a password."""
    with pytest.raises(BadAddress) as caught:
        read_address(url, {})
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("host", "prefix"), [("", "p"), ("a/b", "p"), ("a~1", "p"), ("a", ""), ("a", "{p}")])
def test_names_that_would_mix_up_the_store_are_refused(host: str, prefix: str) -> None:
    """A host's name and a prefix cannot hold what the store's own names are made with."""
    with pytest.raises(ValueError, match="cannot"):
        SharedStore("redis://h", host, prefix)


def test_what_the_store_cannot_count_exactly_is_known() -> None:
    """Lua computes in doubles: a limit up to 2 to the 53rd is exact, one above is refused."""
    assert not too_large_for_redis(LARGEST)
    assert too_large_for_redis(LARGEST + 1)
