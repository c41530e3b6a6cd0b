"""What the scripts that run an official SDK have in common: orders come in a line each, and so do results.

Such a script runs in a process of its own, with whichever version of its SDK stands first on its path, and imports
nothing of ours. Its first line names the version. An order is `{"do": ..., "client": {...}, "with": {...}}`: what to call,
how the client is made, and what it is given; a result is what the SDK gave or raised, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

Said = list[str]
Result = dict[str, Any]
Operation = Callable[[Any, Result, Said], Result]
"""Takes the client, what it is given, and where to note the text that a stream has said so far."""


def serve(
    version: str,
    make: Callable[..., Any],
    operations: Mapping[str, Operation],
    errors: tuple[type[Exception], ...],
    told: Callable[[Any], Result],
) -> None:
    """Do what each line orders until there are no more; the last client is kept. `told` says of the SDK's own errors more
    than their names."""
    clients: dict[str, Any] = {}
    _say({"version": version})
    for line in sys.stdin:
        order = json.loads(line)
        known = json.dumps(order["client"])
        if known not in clients:
            clients = {known: make(**order["client"])}
        _say(_done(operations[order["do"]], clients[known], order["with"], errors, told))


def _done(
    operation: Operation, client: Any, given: Result, errors: tuple[type[Exception], ...], told: Callable[[Any], Result]
) -> Result:
    said: Said = []
    try:
        return operation(client, given, said)
    except Exception as error:  # noqa: BLE001 (whatever an SDK raises is a result)
        own = isinstance(error, errors)
        more = told(error) if own else {}
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": kinds[0], "kinds": kinds, "own": own, "message": str(error), "text": "".join(said), **more}


def _say(result: Result) -> None:
    print(json.dumps(result, default=repr), flush=True)
