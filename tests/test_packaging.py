"""What is installed finds its schemas and its policy, from a wheel as from a checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[1]

LOOK = """
import importlib.resources as resources, json, routebook
schemas = sorted(path.name for path in resources.files("routebook.schemas").iterdir() if path.name.endswith(".json"))
starter = sorted(path.name for path in resources.files("routebook.starter").iterdir() if path.name.endswith(".yaml"))
tests = sorted(path.name for path in (resources.files("routebook.starter") / "tests").iterdir())
examples = sorted(str(path.relative_to(root)) for root in [resources.files("routebook.examples")] for path in root.rglob("*.yaml"))
print(json.dumps({"at": routebook.__file__, "schemas": schemas, "starter": starter, "tests": tests, "examples": examples}))
"""


def look(folder: Path, path: str | None) -> dict[str, object]:
    """What an interpreter finds that starts in an empty folder, with the package on its path or installed."""
    environment = plain_environment({"PYTHONPATH": path} if path else {})
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as an index would get it, without touching the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    # a copy, because setuptools leaves folders of its own beside the sources
    for name in ("proxy", "schemas", "rules", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        capture_output=True,
        text=True,
        timeout=240,
        env=plain_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = out.glob("*.whl")
    return built


def test_a_wheel_holds_schemas_and_policy(wheel: Path, tmp_path: Path) -> None:
    """Unpacked anywhere, the program reaches the same schemas and the same policy as in the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    unpacked = look(tmp_path / "empty", str(tmp_path / "site"))
    checkout = look(tmp_path / "empty", None)

    assert str(unpacked.pop("at")).startswith(str(tmp_path))
    assert str(checkout.pop("at")).startswith(str(ROOT))
    assert unpacked == checkout
    assert unpacked["schemas"] == sorted(path.name for path in (ROOT / "schemas").glob("*.json"))
    assert "policy.yaml" in unpacked["starter"]  # type: ignore[operator]
    assert unpacked["tests"]
    assert "one-provider/tests/cases.yaml" in unpacked["examples"]  # type: ignore[operator]


def test_a_wheel_holds_nothing_else(wheel: Path) -> None:
    """Every module of the checkout is in the wheel, what the console's pages are made of, and no test, cache or document."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {
        str(Path("routebook") / path.relative_to(ROOT / "proxy" / "routebook"))
        for path in (ROOT / "proxy" / "routebook").rglob("*.py")
    }

    console = ROOT / "proxy" / "routebook" / "edge" / "console"
    pages = {
        str(path.relative_to(ROOT / "proxy"))
        for folder in ("templates", "static")
        for path in (console / folder).iterdir()
    }

    assert package | pages <= names
    assert all(name.startswith("routebook/") for name in names)
    assert {Path(name).suffix for name in names - pages} <= {".py", ".json", ".yaml", ".md", ".typed"}


def test_an_installed_program_checks_its_own_policy(wheel: Path, tmp_path: Path) -> None:
    """The policy that comes with the program is fit to serve, where no checkout is near."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "routebook", "check", str(tmp_path / "site" / "routebook" / "starter")],
        cwd=tmp_path,
        env=plain_environment({"PYTHONPATH": str(tmp_path / "site")}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
