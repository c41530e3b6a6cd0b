"""`routebook simulate`: simulated model APIs, to try a policy without keys."""

from __future__ import annotations

import argparse

from routebook.edge.simulator.faults import WORDS

_EXPLANATION = """\
Serve a simulated upstream that speaks what providers speak: OpenAI Chat and Responses, Anthropic Messages, Gemini and
Ollama, streamed at a realistic pace or whole, with tools, thoughts and usage, and as strict as they are; embeddings,
models; and sessions of OpenAI Realtime and of Gemini Live (text, a tone of 440 Hz for a voice, voice activity detection,
tools; Live: session resumption).
Point a provider's `base_url` at the address it prints; `routebook serve --simulate` starts
one of its own for all providers.

It fails on demand. Faults stand behind an `@` in the model's id (`gpt-small@429`), in the header `x-simulate`, or in
the request's metadata under `simulate`, as words separated by commas:
"""

HELP = _EXPLANATION + "\n".join(f"  {word:<22}{what}" for word, what in WORDS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument(
        "--listen",
        default="127.0.0.1:8082",
        metavar="HOST:PORT",
        help="where to serve; port 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--pace", default="20ms", metavar="DURATION", help="time between two tokens (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="decides what `chance` does, and the answers' ids (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted or terminated."""
    import asyncio
    import sys

    from routebook.documents.quantities import Unit, parse_quantity

    pace = parse_quantity(args.pace, Unit.DURATION)
    host, colon, port = args.listen.rpartition(":")
    if pace is None or not colon or not port.isdigit() or int(port) > 65535:
        print("routebook simulate: give --listen as HOST:PORT and --pace as a duration such as 20ms", file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(host.strip("[]"), int(port), float(pace), args.seed))
    except OSError as error:
        print(f"routebook simulate: cannot listen on {args.listen}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(host: str, port: int, pace: float, seed: int) -> None:
    import asyncio
    import signal
    import socket

    from routebook.edge.simulator.server import start_simulator

    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    simulator = await start_simulator(socket.create_server((host, port), family=_family(host)), pace, seed)
    print(f"simulated models at {simulator.address}", flush=True)
    await told_to_end.wait()
    await simulator.close()


def _family(host: str) -> int:
    import socket

    return socket.AF_INET6 if ":" in host else socket.AF_INET
