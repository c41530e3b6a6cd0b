"""The parser in C and the one in Python, each in a service of its own: what one refuses, so does the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.test_intake import POST, SMUGGLING, wire
from tests.support.asking import CHAT, ask, chat
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

SOUND = {
    "plain": post(CHAT, chat()),
    "in chunks": wire(
        POST, "Host: t", "Content-Type: application/json", "Transfer-Encoding: chunked", body="2\r\n{}\r\n0\r\n\r\n"
    ),
    "a list of one coding": wire(POST, "Host: t", "Transfer-Encoding: Chunked", body="2;a=b\r\n{}\r\n0\r\n\r\n"),
    "spaces around a value": wire(POST, "Host:   t  ", "Content-Length:  2 ", body="{}"),
}


async def said(proxy: RunningProxy, words: bytes) -> int | None:
    """The status that these bytes are answered with; None where they are not."""
    async with RawClient(proxy.url) as client:
        try:
            await client.send(words)
        except ConnectionError:
            pass
        try:
            return (await client.answer(10)).status
        except (AssertionError, EOFError, ConnectionError):
            return None


@pytest.mark.parametrize("extensions", ["", "1"], ids=["in C", "in Python"])
async def test_both_parsers_refuse_what_could_be_read_differently(
    tmp_path: Path, upstream: Upstream, extensions: str
) -> None:
    """400 for each case of the corpus, nothing goes upstream, and what is sound is read alike."""
    environment = {"AIOHTTP_NO_EXTENSIONS": extensions} if extensions else {}
    hidden = post(CHAT, chat(text="smuggled"))
    async with running_proxy(tmp_path, small_policy(upstream.url), environment=environment) as proxy:
        assert ("slow parser" in proxy.log) == bool(extensions)
        found = {name: await said(proxy, words + hidden) for name, words in SMUGGLING.items()}
        assert found == dict.fromkeys(SMUGGLING, 400) and upstream.requests == []
        sound = {name: await said(proxy, words) for name, words in SOUND.items()}
        assert sound == {"plain": 200, "in chunks": 400, "a list of one coding": 400, "spaces around a value": 400}
        assert (await ask(proxy.url)).status == 200
    assert len(upstream.requests) == 2 and b"smuggled" not in b"".join(each.body for each in upstream.requests)
