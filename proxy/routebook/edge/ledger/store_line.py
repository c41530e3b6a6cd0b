"""The line to the shared store: one connection, one question at a time, and never an answer to another question.

A connection whose answer was not read to its end is closed, whatever the reason: an error, a time-out, a cancellation.
The client library is told to try nothing again by itself, and is imported when the line is first opened (it takes its
time).
"""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from routebook.edge.ledger.patience import patience
from routebook.edge.ledger.store_address import StoreAddress
from routebook.edge.ledger.store_scripts import Script


class StoreFailure(Exception):
    """The store did not answer, or answered that it cannot. `reason` is one of few words and holds no secret."""

    def __init__(self, reason: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out


class ClientMissing(Exception):
    """The library that speaks to the store is not installed; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it describes itself. `run` is another one after each of its starts, `evicts` whether it drops keys
    when memory is short, `appends` whether what it was told survives its end."""

    run: str
    version: str
    evicts: bool
    appends: bool


_ANSWERS: Final = {
    "LOADING": "loading",
    "BUSY": "busy",
    "READONLY": "read-only",
    "OOM": "out of memory",
    "MISCONF": "cannot write",
    "NOREPLICAS": "cannot write",
    "MASTERDOWN": "no primary",
    "CLUSTERDOWN": "no primary",
    "MOVED": "moved",
    "NOAUTH": "wrong password",
    "WRONGPASS": "wrong password",
    "NOPERM": "not permitted",
}
"""What the store's own error codes mean, in a word of ours: its text is never repeated."""


class StoreLine:
    """The connection to one store, opened and opened again. `open` and `ask` raise StoreFailure."""

    def __init__(self, address: StoreAddress) -> None:
        """Raises ClientMissing."""
        if importlib.util.find_spec("redis") is None or importlib.util.find_spec("hiredis") is None:
            raise ClientMissing("a shared ledger needs the extra `redis`: install `routebook[redis]`")
        self._address = address
        self._connection: Any = None
        self.server: Server | None = None
        """What the server at the other end said of itself when it was last connected to."""

    def __repr__(self) -> str:
        return f"<StoreLine to {self._address}, {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether there is a connection on which everything that was asked has been answered."""
        return self._connection is not None and bool(self._connection.is_connected)

    async def open(self) -> None:
        """Connect, say the password, and learn which server this is."""
        if self._connection is None:
            try:
                self._connection = await asyncio.to_thread(_connection, self._address)
            except OSError:
                raise StoreFailure("certificate") from None
        await self._whole(self._connection.connect())
        self.server = _read_server(await self._exchange("INFO"))

    async def ask(self, script: Script, keys: Sequence[str], message: bytes) -> bytes:
        """Run a script; what it answers. One round trip, but where the server has forgotten the script."""
        from redis.exceptions import NoScriptError

        if not self.is_open:
            raise StoreFailure("unreachable")
        arguments: list[str | bytes | int] = [len(keys), *keys, message]
        try:
            return await self._exchange("EVALSHA", script.digest, *arguments)
        except NoScriptError:
            return await self._exchange("EVAL", script.source, *arguments)

    async def close(self) -> None:
        """Close the connection at once, whatever is still on it."""
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)

    async def _exchange(self, *words: str | bytes | int) -> bytes:
        answer: bytes = await self._whole(self._say(words))
        return answer

    async def _say(self, words: Sequence[str | bytes | int]) -> bytes:
        await self._connection.send_command(*words, check_health=False)
        answer: bytes = await self._connection.read_response(disable_decoding=True)
        return answer

    async def _whole(self, step: Any) -> Any:
        """Take a step within the time-out, or close the connection. A script that is unknown leaves it in order."""
        from redis.exceptions import NoScriptError, RedisError

        try:
            async with patience(self._address.timeout):
                return await step
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            self._follow(error)
            raise _failure(error) from None
        except BaseException:
            await self.close()
            raise

    def _follow(self, error: Exception) -> None:
        """A member of a cluster that does not have our keys says who has: the next connection goes there. After any
        other failure it goes where the address says."""
        from redis.exceptions import MovedError

        if self._address.path:
            return
        where = self._address.host, self._address.port
        if isinstance(error, MovedError):
            where = error.host or where[0], error.port
        self._connection.host, self._connection.port = where


def _connection(address: StoreAddress) -> Any:
    """A connection of the client library that is not connected yet."""
    from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    settings: dict[str, Any] = {
        "db": address.database,
        "username": address.user,
        "password": address.password,
        # `StoreLine` has the time-out of each step; the library's own costs a task, and can lose a cancellation
        "socket_timeout": None,
        "socket_connect_timeout": address.timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if address.path:
        return UnixDomainSocketConnection(path=address.path, **settings)
    if address.encrypted:
        encrypted = SSLConnection(host=address.host, port=address.port, ssl_ca_certs=address.ca, **settings)
        encrypted.ssl_context.get()  # reads the files of trusted authorities: here, where nobody waits
        return encrypted
    return Connection(host=address.host, port=address.port, **settings)


def _read_server(text: bytes) -> Server:
    lines = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    fields = {name: value for name, _, value in lines}
    return Server(
        run=fields.get("run_id", ""),
        version=fields.get("valkey_version") or fields.get("redis_version", ""),
        evicts=fields.get("maxmemory", "0") != "0" and fields.get("maxmemory_policy") != "noeviction",
        appends=fields.get("aof_enabled") == "1",
    )


def _failure(error: Exception) -> StoreFailure:
    from redis import exceptions

    if isinstance(error, (TimeoutError, exceptions.TimeoutError)):
        return StoreFailure("timeout", timed_out=True)
    # what a script met is quoted inside the error of the script
    words = {getattr(error, "status_code", None), *str(error).replace("-", " ").replace(":", " ").split()}
    answered = next((reason for code, reason in _ANSWERS.items() if code in words), None)
    if answered is not None and isinstance(error, exceptions.RedisError):
        return StoreFailure(answered)
    if isinstance(error, exceptions.AuthenticationError):
        return StoreFailure("wrong password")
    if isinstance(error, (exceptions.ConnectionError, OSError)):
        return StoreFailure("certificate" if isinstance(error.__context__, ssl.SSLError) else "unreachable")
    return StoreFailure("refused")
