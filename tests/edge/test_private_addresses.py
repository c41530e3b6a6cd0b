"""Names that lead to private addresses: not called where the policy does not mean it, whatever they led to before."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from routebook.catalogue.reach import Reach
from routebook.edge.connections import Connections, Origin
from routebook.edge.doctor.finding import Verdict
from routebook.edge.doctor.network import upstreams
from tests.support.asking import ask
from tests.support.proxy import compiled, in_process, small_policy
from tests.support.upstream import Upstream


class Names:
    """A DNS whose answers a test decides, one after the other; the last one holds. Other names are the machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, list[Sequence[str]]] = {}
        self._machine = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def lead(self, name: str, *answers: Sequence[str]) -> None:
        """What a name leads to: the addresses of its first answer, of its second and so on."""
        self._answers[name] = list(answers)

    def _look_up(self, host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in self._answers:
            return self._machine(host, port, *more, **options)
        self.asked.append(host)
        answers = self._answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for each in addresses for found in self._machine(each, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The DNS of this test."""
    return Names(monkeypatch)


PRIVATE = ["127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_public_name_that_leads_home_is_not_called(
    tmp_path: Path, upstream: Upstream, names: Names, address: str
) -> None:
    """The client hears that it cannot be reached, the record says why, and nobody was connected to."""
    names.lead("models.example.com", [address])
    async with in_process(tmp_path, small_policy(f"http://models.example.com:{upstream.port}/v1")) as proxy:
        answer = await ask(proxy.url)
        record = await proxy.only_record()
    assert answer.status == 502 and answer.json()["error"]["code"] == "upstream.private-address"
    assert address not in answer.body.decode()
    assert record.ended is not None and record.ended["error"] == "upstream.private-address"
    assert upstream.connections == 0 and upstream.requests == []


async def test_where_it_is_meant_it_is_called(tmp_path: Path, upstream: Upstream, names: Names) -> None:
    """`allow_private: true`, a name of a private network, and an address that is written."""
    for host, more in (("models.example.com", ", allow_private: true"), ("vllm.internal", ""), ("127.0.0.1", "")):
        names.lead(host, ["127.0.0.1"])
        policy = small_policy(f"http://{host}:{upstream.port}/v1").replace("region: eu", f"region: eu{more}")
        async with in_process(tmp_path / host, policy) as proxy:
            assert (await ask(proxy.url)).status == 200


async def test_a_name_that_leads_elsewhere_later_is_looked_at_again(
    tmp_path: Path, upstream: Upstream, names: Names
) -> None:
    """It was right for the first connection; the next one looks again, and goes nowhere."""
    names.lead("vllm.internal", ["127.0.0.1"], ["169.254.169.254"])
    async with in_process(tmp_path, small_policy(f"http://vllm.internal:{upstream.port}/v1")) as proxy:
        assert (await ask(proxy.url)).status == 200
        await upstream.close_idle()
        again = await ask(proxy.url)
    assert again.json()["error"]["code"] == "upstream.private-address" and upstream.connections == 1


async def test_what_was_looked_at_is_what_is_connected_to(upstream: Upstream, names: Names) -> None:
    """A name is asked once for a connection: an answer that changes between a look and a connection changes nothing. Of
    several addresses, those that are not allowed are left out."""
    trap = socket.create_server(("127.0.0.9", upstream.port))
    trap.setblocking(False)
    names.lead("vllm.internal", ["169.254.169.254", "127.0.0.1"], ["127.0.0.9"])
    connections = Connections()
    with trap:
        opened = await connections.opened(Origin("vllm.internal", upstream.port, False, Reach.NEAR))
        assert opened.transport is not None and opened.transport.get_extra_info("peername")[0] == "127.0.0.1"
        with pytest.raises(BlockingIOError):
            trap.accept()
    opened.close()
    assert names.asked == ["vllm.internal"]


async def test_the_doctor_says_so_before(names: Names) -> None:
    """A name that a service would not call fails, with what to write."""
    names.lead("models.example.com", ["10.0.0.1"])
    policy = compiled(small_policy("https://models.example.com/v1"))
    found = await upstreams(policy.catalogue.providers.values(), 0.0)
    assert [(each.check, each.verdict) for each in found] == [("dns", Verdict.FAIL)]
    assert "allow_private: true" in (found[0].advice or "")
