"""Three hosts, a Redis that keeps their budgets together, and nginx in front: on one machine, by one command.

    python deploy/hosts/run.py              the gateway is http://127.0.0.1:8080/v1; Ctrl-C ends all of it
    python deploy/hosts/kill.py             in another terminal: kills one part after the other, and says what

Each host is a service of its own, with its own state directory, journal and workers; models are simulated. What dies is started
again after half a second, as systemd would. Where everything is stands in `hosts.json` of the folder, for `kill.py` and for you.
`routebook` must be installed for this Python; `redis-server` (or `valkey-server`) and `nginx` must be on the PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FRONT, FIRST, ADMIN, REDIS, UPSTREAM = 8080, 8101, 8201, 6390, 8082
"""Where the parts listen if nobody says otherwise, on 127.0.0.1: these ports stand in `nginx.conf` and the policy too."""

RESTART_SECONDS = 0.5
DRAIN_SECONDS = 5


@dataclass(slots=True)
class Part:
    """A process that is started again whenever it ends."""

    name: str
    words: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    ended: float = field(default=-RESTART_SECONDS)

    def tend(self, now: float) -> bool:
        """Start it where it has ended long enough ago; whether its process id has changed."""
        if self.process is not None and self.process.poll() is None:
            return False
        if self.process is not None:
            self.process, self.ended = None, now
            return True
        if now < self.ended + RESTART_SECONDS:
            return False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1
        return True

    def stop(self, seconds: float) -> None:
        """Ask it to end, and make it."""
        if self.process is None or self.process.poll() is not None:
            return
        # a paused process hears nothing else
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("var/hosts"), help="state and logs (default: %(default)s)")
    parser.add_argument("--policy", type=Path, default=HERE / "rules", help="of every host (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of each host (default: %(default)s)")
    parser.add_argument("--front", type=int, default=FRONT, help="port of nginx (default: %(default)s)")
    parser.add_argument("--redis", type=int, default=REDIS, help="port of Redis (default: %(default)s)")
    parser.add_argument("--upstream", type=int, default=UPSTREAM, help="port of the simulator (default: %(default)s)")
    parser.add_argument("--hosts", type=int, nargs=3, default=[FIRST, FIRST + 1, FIRST + 2], help="ports of the hosts")
    parser.add_argument(
        "--admins", type=int, nargs=3, default=[ADMIN, ADMIN + 1, ADMIN + 2], help="of their admin listeners"
    )
    parser.add_argument("--pace", default="20ms", help="of the simulated models, a token (default: %(default)s)")
    return parser


def program(*names: str) -> str:
    """The first of these programs that is there; ends with 2 where none is."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    print(f"run.py: {' or '.join(names)} is not installed", file=sys.stderr)
    raise SystemExit(2)


def parts(args: argparse.Namespace) -> list[Part]:
    """Everything that runs, in the order in which it starts."""
    folder: Path = args.folder.absolute()
    for inner in ("redis", "nginx", "logs"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    redis = [program("redis-server", "valkey-server"), "--port", str(args.redis), "--bind", "127.0.0.1"]
    redis += ["--dir", str(folder / "redis"), "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    routebook = [sys.executable, "-m", "routebook"]
    simulator = [*routebook, "simulate", "--listen", f"127.0.0.1:{args.upstream}", "--pace", args.pace]
    found = {"redis": redis, "upstream": simulator}
    for number, (port, admin) in enumerate(zip(args.hosts, args.admins, strict=True), 1):
        name = f"host-{number}"
        words = ["serve", "--policy", str(args.policy.absolute()), "--state-dir", str(folder / name)]
        words += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--workers", str(args.workers)]
        words += ["--drain", str(DRAIN_SECONDS), "--shared-ledger", f"redis://127.0.0.1:{args.redis}/0"]
        found[name] = [*routebook, *words]
    (folder / "nginx" / "nginx.conf").write_text(nginx_configuration(args))
    found["nginx"] = [
        program("nginx"),
        "-p",
        str(folder / "nginx"),
        "-c",
        "nginx.conf",
        "-e",
        "stderr",
        "-g",
        "daemon off;",
    ]
    return [Part(name, words, folder / "logs" / f"{name}.log") for name, words in found.items()]


def nginx_configuration(args: argparse.Namespace) -> str:
    """`nginx.conf` with the ports that were asked for, and everything that it writes in its own folder."""
    text = (HERE / "nginx.conf").read_text()
    for number, port in enumerate(args.hosts):
        text = text.replace(f"server 127.0.0.1:{FIRST + number} ", f"server 127.0.0.1:{port} ")
    text = text.replace(f"listen 127.0.0.1:{FRONT};", f"listen 127.0.0.1:{args.front};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return text.replace("http {\n", "http {\n" + "".join(f"    {kind}_temp_path {kind};\n" for kind in kinds), 1)


def publish(args: argparse.Namespace, running: list[Part]) -> None:
    """Say where everything is, whole at once."""
    folder: Path = args.folder.absolute()
    pids = {part.name: part.process.pid if part.process is not None else None for part in running}
    hosts = [
        {
            "name": f"host-{number}",
            "pid": pids[f"host-{number}"],
            "url": f"http://127.0.0.1:{port}",
            "admin": f"http://127.0.0.1:{admin}",
            "state_dir": str(folder / f"host-{number}"),
        }
        for number, (port, admin) in enumerate(zip(args.hosts, args.admins, strict=True), 1)
    ]
    said: dict[str, Any] = {"front": f"http://127.0.0.1:{args.front}", "hosts": hosts, "redis": pids["redis"]}
    said |= {"starts": {part.name: part.starts for part in running}, "runner": os.getpid()}
    beside = folder / "hosts.json.new"
    beside.write_text(json.dumps(said, indent=2) + "\n")
    beside.replace(folder / "hosts.json")


def is_ready(admin: int) -> bool:
    """Whether a host serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def tend(args: argparse.Namespace, running: list[Part], ended: Callable[[], bool]) -> None:
    """Keep everything running until it is told to end."""
    told = False
    while not ended():
        changed = [part.tend(time.monotonic()) for part in running]
        if any(changed):
            publish(args, running)
        if not told and all(map(is_ready, args.admins)):
            told = True
            print(
                f"three hosts behind http://127.0.0.1:{args.front}/v1; where they are: {args.folder}/hosts.json",
                flush=True,
            )
        time.sleep(0.1)


def main() -> int:
    """Run until Ctrl-C or SIGTERM; 0."""
    args = arguments().parse_args()
    running = parts(args)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: stopping.append(received))
    try:
        tend(args, running, lambda: bool(stopping))
    finally:
        # nobody new comes in; then hosts finish what they have, while the store is still there for them
        for part in sorted(running, key=lambda part: (part.name != "nginx", not part.name.startswith("host"))):
            part.stop(DRAIN_SECONDS + 10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
