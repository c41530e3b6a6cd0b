"""The gateways that `bench/peers.py` compares: which version, how it is installed, how it is told to serve, how it is asked.

Each is set up as plainly as its own pages advise for production: one process on one core, no access log, no debug log, no
database, no budgets. Routebook stands beside them with everything on. Each is installed once, under `.cache/peers`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.proxy import HERE, NGINX

CACHE = HERE.parent / ".cache"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One subject of the comparison. In commands, files, headers and environment `{home}` is where it is installed (or its
    program), `{folder}` its own folder of this run, `{port}` where it listens, `{upstream}` the port of the model API.

    `pip` and `npm` (a `package.json`) say what is installed; `says_port` is for one that chooses its port itself and prints it alone on a line;
    `patience` is how many times longer than others it is measured, since it answers so few requests."""

    name: str
    version: str
    what: str
    command: tuple[str, ...]
    pip: str | None = None
    npm: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    path: str = "/v1/chat/completions"
    model: str = "bench"
    says_port: bool = False
    patience: float = 1.0
    needs: str = "-"


HAPROXY = """\
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  http-reuse always
  option http-no-delay
listen models
  bind 127.0.0.1:{port}
  server upstream 127.0.0.1:{upstream}
"""

LITELLM = """\
litellm_settings: {{set_verbose: false, telemetry: false}}
general_settings: {{master_key: sk-bench, disable_spend_logs: true}}
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "http://127.0.0.1:{upstream}/v1", api_key: sk-none}}
"""

TENSORZERO = """\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.bench]
routing = ["upstream"]
[models.bench.providers.upstream]
type = "openai"
model_name = "bench"
api_base = "http://127.0.0.1:{upstream}/v1/"
api_key_location = "none"
"""

TENSORZERO_SERVER = """\
import signal
import sys
from urllib.parse import urlsplit

from tensorzero import _start_http_gateway

gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(urlsplit(gateway.base_url).port, flush=True)
signal.sigwait({{signal.SIGTERM, signal.SIGINT}})
"""

PEERS = (
    Gateway(
        "nginx",
        "1.22.1",
        "reverse proxy in C: no models, no policy",
        ("{home}", "-p", "{folder}", "-c", "{folder}/nginx.conf", "-e", "{folder}/error.log"),
        files={"nginx.conf": NGINX},
    ),
    Gateway(
        "haproxy",
        "2.6.12",
        "reverse proxy in C: no models, no policy",
        ("{home}", "-db", "-f", "{folder}/haproxy.cfg"),
        files={"haproxy.cfg": HAPROXY},
    ),
    Gateway(
        "aiohttp relay",
        "3.14",
        "the floor of a relay in Python: `bench/bare_relay.py`",
        (sys.executable, str(HERE / "bare_relay.py"), "{port}", "http://127.0.0.1:{upstream}"),
    ),
    Gateway(
        "TensorZero",
        "2026.6.0",
        "Rust; the gateway inside its Python package, observability off",
        ("{home}/bin/python", "{folder}/serve.py", "{folder}/tensorzero.toml"),
        pip="tensorzero==2026.6.0",
        files={"tensorzero.toml": TENSORZERO, "serve.py": TENSORZERO_SERVER},
        path="/openai/v1/chat/completions",
        model="tensorzero::model_name::bench",
        says_port=True,
        needs="nothing while observability is off, else ClickHouse or Postgres; its usage analytics are switched off",
    ),
    Gateway(
        "Portkey",
        "1.15.2",
        "Node; the open gateway, headless",
        ("node", "{home}/node_modules/@portkey-ai/gateway/build/start-server.js", "--headless", "--port={port}"),
        # Its own lock has this server library; with those after 1.14.2, which npm would choose, every stream of chat ends
        # in 500 (https://github.com/Portkey-AI/gateway/issues/1389).
        npm={"dependencies": {"@portkey-ai/gateway": "1.15.2"}, "overrides": {"@hono/node-server": "1.13.5"}},
        environment={"NODE_ENV": "production"},
        headers=(
            "x-portkey-provider: openai",
            "x-portkey-custom-host: http://127.0.0.1:{upstream}/v1",
            "Authorization: Bearer sk-none",
        ),
    ),
    Gateway(
        "LiteLLM",
        "1.108.5",
        "Python; one worker, a master key, spend logs off",
        (
            "{home}/bin/litellm",
            "--config",
            "{folder}/config.yaml",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--num_workers",
            "1",
        ),
        pip="litellm[proxy]==1.108.5",
        files={"config.yaml": LITELLM},
        environment={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_TELEMETRY": "False",
        },
        headers=("Authorization: Bearer sk-bench",),
        patience=3.0,
        needs="a master key; fetches its list of prices unless told not to; Postgres for keys, teams and budgets",
    ),
)
"""Everything beside Routebook, in the order of the tables."""

LEFT_OUT = {
    "Bifrost": "its npm package fetches the program from a host of its own at the first start",
    "agentgateway": "comes as a binary or an image, and no package index has it",
    "Envoy AI Gateway": "comes as images for Kubernetes and a binary, and no package index has them",
    "vLLM Semantic Router": "its package starts containers, and fetches models",
    "Plano": "its package fetches its binaries or starts a container",
    "Kong, Helicone": "no package index has their gateways",
}
"""Gateways that were looked for and could not be had from a package index alone, with the reason."""

POLICY = """\
version: 1
providers:
  vendor: {{dialect: openai, base_url: "http://127.0.0.1:{upstream}/v1", accounts: [{{name: main}}]}}
models:
{models}
clients:
{clients}
budgets:
  month: {{limit: $1000000, window: month}}
  each: {{limit: 100000M tokens, window: day, per: client}}
limits:
  pace: {{requests_per_minute: 100M, tokens_per_minute: 1G}}
rules:
{rules}
"""

RULES, TEAMS, CLIENT = 100, 10, "c3"


def policy(upstream: int) -> str:
    """A policy of a hundred rules for ten teams over twenty models, with budgets and limits that count every request."""
    dice = random.Random(RULES)
    models = ["bench", *(f"m{number}" for number in range(19))]
    price = "provider: vendor, price: {input: 1, output: 2}, context: 200k, max_output: 16k"

    def rule(number: int) -> str:
        team = f"client.team: team-{number % TEAMS}"
        tags = f"tags: {{all: [tag-{number}, tag-{RULES + dice.randrange(RULES)}]}}"
        size = f"prompt.tokens: {{{dice.choice(('at_least', 'below'))}: {dice.choice((4, 8, 16, 32))}k}}"
        when = [team, tags, size] if number < RULES - 1 - TEAMS else [team, "prompt.tokens: {at_least: 64k}"]
        to = ", ".join(dice.sample(models, 3))
        return f"  - {{name: r{number}, when: {{{', '.join(when)}}}, route: {{to: [{to}]}}}}"

    rules = [rule(number) for number in range(RULES - 1)]
    return POLICY.format(
        upstream=upstream,
        models="\n".join(f"  {name}: {{{price}}}" for name in models),
        clients="\n".join(f"  c{number}: {{team: team-{number}}}" for number in range(TEAMS)),
        rules="\n".join([*rules, "  - {name: last, route: {to: requested}}"]),
    )


def routebook(upstream: int, folder: Path, admin: int, *more: str) -> Gateway:
    """Routebook with everything on: journal and its index, budgets and limits, clients with keys, metrics, console."""
    (folder / "policy.yaml").write_text(policy(upstream))
    own = [sys.executable, "-m", "routebook"]
    made = subprocess.run(
        [*own, "keys", "create", CLIENT, "--state-dir", str(folder / "var")], check=True, capture_output=True, text=True
    )
    serve = ["serve", "--policy", str(folder / "policy.yaml"), "--state-dir", str(folder / "var"), "--log", "warning"]
    listen = ["--listen", "127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", *more]
    return Gateway(
        "Routebook",
        "",
        "Python; everything on: keys, 100 rules, budgets, limits, journal, index, metrics, console",
        (*own, *serve, *listen),
        headers=(f"Authorization: Bearer {made.stdout.strip()}",),
    )


@dataclass(frozen=True, slots=True)
class Ready:
    """A gateway that can be started, and what `{home}` stands for: where it is installed, or its program."""

    gateway: Gateway
    home: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Why a gateway cannot be had here."""

    why: str


def prepared(gateway: Gateway) -> Ready | Absent:
    """A gateway, installed if it was not."""
    if gateway.name in ("nginx", "haproxy"):
        found = program(gateway.name)
        if found is None:
            return Absent("not on this machine, and could not be unpacked")
        return Ready(replace(gateway, environment=found[1]), found[0])
    home = CACHE / "peers" / f"{gateway.name.lower()}-{gateway.version}"
    if gateway.npm and (shutil.which("node") is None or shutil.which("npm") is None):
        return Absent("node and npm are not installed")
    if home.exists() or not (gateway.pip or gateway.npm):
        return Ready(gateway, str(home))
    shutil.rmtree(f"{home}.new", ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    for command in _installing(gateway, f"{home}.new"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return Absent(f"cannot be installed: {done.stderr.strip().splitlines()[-1][:200]}")
    _settle(Path(f"{home}.new"), home)
    return Ready(gateway, str(home))


def _installing(gateway: Gateway, home: str) -> list[list[str]]:
    """The commands that install a gateway; of npm, with the file that it reads made."""
    if gateway.pip is not None:
        pip = [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", gateway.pip]
        return [[sys.executable, "-m", "venv", home], pip]
    Path(home).mkdir()
    (Path(home) / "package.json").write_text(json.dumps(gateway.npm))
    return [["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", home]]


def _settle(new: Path, home: Path) -> None:
    """Move what was installed to its place; scripts of a virtual environment name the place in their first line."""
    new.rename(home)
    for script in (home / "bin").glob("*") if (home / "bin").exists() else ():
        if script.is_file() and not script.is_symlink() and (text := script.read_bytes()).startswith(b"#!"):
            script.write_bytes(text.replace(str(new).encode(), str(home).encode()))


def program(name: str) -> tuple[str, dict[str, str]] | None:
    """A program of the machine, or one unpacked by `make`, with the environment that it needs; None where there is none."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if found := shutil.which(name, path=places):
        return found, {}
    # The package of Redis's tools, which `make` unpacks, holds the server's program under the name of another of its uses.
    folder, where = ("redis", "bin/redis-check-rdb") if name == "redis-server" else (name, f"sbin/{name}")
    unpacked = CACHE / folder / "usr"
    libraries = ":".join(str(path) for path in unpacked.glob("lib/*-linux-gnu*"))
    here = unpacked / where
    return (str(here), {"LD_LIBRARY_PATH": libraries}) if here.exists() else None
