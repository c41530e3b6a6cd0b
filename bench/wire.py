"""`upstream.c` and `load.c` again, for machines without a C compiler: same arguments, same output, many times slower.

    python bench/wire.py upstream PORT
    python bench/wire.py load [-p PATH] [-H 'NAME: VALUE']... CONNECTIONS SECONDS PORT BODY_FILE

A rate (`-r`) it does not know: at random moments it would measure itself.
CPU per request of what stands between them is right all the same; requests per second and latency are then those of
this program rather than of the proxy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

PACE = 0.01
FRAME = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"bench-1",'
    b'"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}\n\n'
)
EVENTS = [FRAME % (b'{"content":" token"}', b"null")] * 50 + [FRAME % (b"{}", b'"stop"') + b"data: [DONE]\n\n"]
WHOLE = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "bench-1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "It lies on the river."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 28, "completion_tokens": 13, "total_tokens": 41},
    }
).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length:" in head:
                body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            else:
                body = await reader.readuntil(b"0\r\n\r\n")
            if b'"stream": true' not in body and b'"stream":true' not in body:
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(WHOLE), WHOLE)
                )
                continue
            pieces = [b"%x\r\n%s\r\n" % (len(event), event) for event in EVENTS]
            writer.write(HEAD)
            for piece in pieces if b"paced" in body else [b"".join(pieces)]:
                writer.write(piece)
                await asyncio.sleep(PACE if b"paced" in body else 0)
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _upstream(port: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def _load(connections: int, seconds: float, port: int, body: bytes, path: str, headers: list[str]) -> None:
    more = "".join(f"{each}\r\n" for each in headers)
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    start = time.monotonic()
    warm, end = start + seconds / 5, start + seconds
    times: list[tuple[float, float]] = []
    failures = asked = 0

    async def client() -> None:
        nonlocal failures, asked
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.monotonic()) < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length:" in head:
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                first = time.monotonic()
            else:
                data = await reader.read(2**16)
                first = time.monotonic()
                while not data.endswith(b"0\r\n\r\n"):
                    data = data[-5:] + await reader.read(2**16)
            asked += 1
            if began >= warm:
                failures += not head.startswith(b"http/1.1 200")
                times.append((time.monotonic() - began, first - began))
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    whole, firsts = (sorted(each[index] for each in times) for index in (0, 1))
    print(
        json.dumps(
            {
                "requests": len(times),
                "failures": failures,
                "all": asked,
                "left": 0,
                "rps": len(times) / (time.monotonic() - warm),
                "p50": _share(whole, 0.5),
                "p99": _share(whole, 0.99),
                "first_p50": _share(firsts, 0.5),
                "first_p99": _share(firsts, 0.99),
                "quantiles": [_share(whole, each / 100) for each in range(101)],
            }
        )
    )


def _share(values: list[float], q: float) -> int:
    return round(values[int((len(values) - 1) * q)] * 1e6) if values else 0


def main() -> None:
    """Be what the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    roles = parser.add_subparsers(required=True, dest="role")
    roles.add_parser("upstream").add_argument("port", type=int)
    load = roles.add_parser("load")
    load.add_argument("-p", dest="path", default="/v1/chat/completions")
    load.add_argument("-H", dest="headers", action="append", default=[])
    for name, of in (("connections", int), ("seconds", float), ("port", int), ("body", Path)):
        load.add_argument(name, type=of)
    args = parser.parse_args()
    if args.role == "upstream":
        asyncio.run(_upstream(args.port))
    else:
        asyncio.run(_load(args.connections, args.seconds, args.port, args.body.read_bytes(), args.path, args.headers))


if __name__ == "__main__":
    main()
