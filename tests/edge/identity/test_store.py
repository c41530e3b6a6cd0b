"""The key store: what is kept of keys, who may read it, and what several writers make of it."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from routebook.edge.identity.keys import digest_of, is_whole
from routebook.edge.identity.pepper import VARIABLE, given_pepper, own_pepper
from routebook.edge.identity.store import KeyStore, KeyUnknown, StoreUnreadable, clients_without_key
from tests.support.processes import plain_environment

NOW = 1_795_255_200.0
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    """A store in a folder that is not there yet."""
    return KeyStore(tmp_path / "var", {})


def test_of_a_key_only_its_digest_is_kept(store: KeyStore, tmp_path: Path) -> None:
    """The key stands in no file; its last four characters do, for people. Only the owner may read either file."""
    key, kept = store.create("web", NOW, NOW + DAY, "shop")
    assert is_whole(key) and kept.last == key[-4:]
    assert bytes.fromhex(kept.digest) == digest_of(own_pepper(tmp_path / "var", {}), key)
    for path in (tmp_path / "var").iterdir():
        assert key[:-4].encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert store.kept() == (kept,)


def test_a_key_is_valid_until_it_expires_or_is_revoked(store: KeyStore) -> None:
    """A revoked key stays so, whatever else; revoking it again changes nothing."""
    _, kept = store.create("web", NOW, NOW + DAY, None)
    assert [kept.state(NOW + DAY - 1), kept.state(NOW + DAY)] == ["valid", "expired"]
    revoked = store.revoke(kept.id, NOW + 5)
    assert revoked.state(NOW + DAY) == revoked.state(NOW) == "revoked"
    assert store.revoke(kept.id, NOW + 10) == revoked == store.kept()[0]


def test_a_leaked_key_can_be_revoked_by_itself(store: KeyStore) -> None:
    """Whoever finds one need not know its id; where there is no such key, it is not repeated."""
    key, kept = store.create("web", NOW, None, None)
    stranger = KeyStore(store.path.parent, {}).create("other", NOW, None, None)[0]
    assert store.revoke(key, NOW).id == kept.id
    assert [each.state(NOW) for each in store.kept()] == ["revoked", "valid"]
    with pytest.raises(KeyUnknown) as unknown:
        store.revoke(stranger[:-1] + "!", NOW)
    assert stranger[:20] not in str(unknown.value)


def test_a_successor_overlaps_with_the_old_key(store: KeyStore) -> None:
    """The old key goes on for the overlap at most, the new one lives as long as the old one was made for."""
    _, first = store.create("web", NOW, NOW + 90 * DAY, "shop")
    _, second, old = store.rotate(first.id, NOW + 10 * DAY, DAY, None)
    assert (old.id, old.expires) == (first.id, int(NOW + 11 * DAY))
    assert (second.client, second.note, second.expires) == ("web", "shop", int(NOW + 100 * DAY))
    _, third, _ = store.rotate(second.id, NOW + 10 * DAY, DAY, 5 * DAY)
    assert third.expires == int(NOW + 15 * DAY)
    _, _, early = store.rotate(third.id, NOW + 10 * DAY, 30 * DAY, None)
    assert early.expires == third.expires, "an overlap never makes a key live longer"


def test_only_a_valid_key_has_a_successor(store: KeyStore) -> None:
    """What is over is not revived."""
    for change in ("expired", "revoked"):
        _, kept = store.create("web", NOW, NOW + 5, None)
        if change == "revoked":
            store.revoke(kept.id, NOW)
        with pytest.raises(KeyUnknown, match=change):
            store.rotate(kept.id, NOW + 10, DAY, None)


def test_another_pepper_is_noticed(store: KeyStore) -> None:
    """Digests that nobody could ever match are not added to those that can be."""
    store.create("web", NOW, None, None)
    with pytest.raises(StoreUnreadable, match="pepper"):
        KeyStore(store.path.parent, {VARIABLE: "0" * 64}).create("web", NOW, None, None)


def test_a_pepper_of_the_environment_is_long_enough() -> None:
    """A short one could be found by trying."""
    assert given_pepper({}) is None and given_pepper({VARIABLE: f" {'x' * 32}\n"}) == b"x" * 32
    with pytest.raises(ValueError, match=VARIABLE):
        given_pepper({VARIABLE: "secret"})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pepper": 1}', b'{"pepper": "", "version": 2}', b"\xff\xfe"])
def test_what_is_no_store_is_left_alone(store: KeyStore, content: bytes) -> None:
    """It is said, and not written over."""
    store.create("web", NOW, None, None)
    store.path.write_bytes(content)
    with pytest.raises(StoreUnreadable):
        store.create("web", NOW, None, None)
    assert store.path.read_bytes() == content


def test_clients_without_any_key_are_known(store: KeyStore) -> None:
    """Of those whose keys can only stand in the store; an expired key is one that its owner knows of."""
    folder = store.path.parent
    assert clients_without_key(["web", "batch"], folder) == ["web", "batch"]
    store.create("web", NOW, NOW - 5, None)
    assert clients_without_key(["web", "batch"], folder) == ["batch"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_a_service_can_read_what_root_wrote_for_it(store: KeyStore, tmp_path: Path) -> None:
    """Files belong to the owner of the directory, whoever runs the command."""
    folder = tmp_path / "var"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    store.create("web", NOW, None, None)
    assert {path.name: path.stat().st_uid for path in folder.iterdir()} == dict.fromkeys(
        ("keys.json", "keys.lock", "keys.pepper"), 12345
    )


async def test_writers_take_turns(tmp_path: Path) -> None:
    """Six processes make keys in one new store at once: none is lost, and all have the same pepper."""
    makers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "routebook", "keys", "create", f"client-{number}", "--state-dir", str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
            env=plain_environment(),
        )
        for number in range(6)
    ]
    keys = [(await maker.communicate())[0].decode().strip() for maker in makers]
    pepper = own_pepper(tmp_path, {})
    kept = {each.client: each.digest for each in KeyStore(tmp_path, {}).kept()}
    assert kept == {f"client-{number}": digest_of(pepper, key).hex() for number, key in enumerate(keys)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json", "keys.lock", "keys.pepper"]
