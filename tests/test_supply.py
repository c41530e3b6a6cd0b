"""What is installed where the program runs: the locks are whole, fit pyproject.toml, and become a bill of materials."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "deploy" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)

Pins = dict[str, str]


def pins(lock: str) -> Pins:
    """What a lock names, with its version."""
    return {canonicalize_name(name): version for name, version, _, _ in PINNED.findall((LOCKS / lock).read_text())}


def wanted(lock: str) -> list[Requirement]:
    """What a lock was made for."""
    project = PROJECT["project"]
    texts = {
        "core.txt": project["dependencies"],
        "image.txt": [*project["dependencies"], *project["optional-dependencies"]["redis"]],
        "build.txt": PROJECT["build-system"]["requires"],
    }
    return [Requirement(text) for text in texts[lock]]


@pytest.mark.parametrize("lock", ["core.txt", "image.txt", "build.txt"])
def test_a_lock_pins_everything_with_its_hashes(lock: str) -> None:
    """Every line is a pin with digests, or says why it is there: no address, no option, nothing without a hash."""
    text = (LOCKS / lock).read_text()
    rest = re.sub(r"^ +#.*\n", "", PINNED.sub("", text), flags=re.MULTILINE)
    assert rest == "", rest


@pytest.mark.parametrize("lock", ["core.txt", "image.txt", "build.txt"])
def test_a_lock_fits_what_the_project_asks_for(lock: str) -> None:
    """A dependency that was added or raised in pyproject.toml needs `make lock`."""
    found = pins(lock)
    for requirement in wanted(lock):
        version = found.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}: `make lock`"
        assert requirement.specifier.contains(version), f"{lock} pins {requirement.name} {version}: `make lock`"


@pytest.mark.parametrize("lock", ["core.txt", "image.txt"])
def test_a_lock_is_closed(lock: str) -> None:
    """What a pinned package needs is pinned too, and nothing is that nobody needs."""
    found = pins(lock)
    needed = {canonicalize_name(requirement.name) for requirement in wanted(lock)}
    for name in found:
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in found, f"{name} needs {requirement}"
                needed.add(canonicalize_name(requirement.name))
    foreign = {name for name, _, marker, _ in PINNED.findall((LOCKS / lock).read_text()) if marker}
    assert set(found) - needed <= foreign


def test_the_image_is_the_core_and_a_store() -> None:
    """The same versions, and beside them what a shared ledger needs."""
    core, image = pins("core.txt"), pins("image.txt")
    assert core.items() <= image.items()
    assert {"redis", "hiredis"} <= image.keys() - core.keys()


def test_the_image_installs_by_hashes_alone() -> None:
    """Whatever the Dockerfile fetches from an index is held to a lock; the program itself is built of the checkout."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    fetches = re.findall(r"pip install (.+?)(?=&&|\n|$)", text)
    assert fetches
    for words in fetches:
        held = "--require-hashes" in words and re.search(r"-r deploy/locks/\w+\.txt", words)
        own = "--no-deps" in words and "/wheels/routebook-" in words
        assert held or own, words
    assert "pip wheel --no-cache-dir --no-deps --no-build-isolation" in text


def test_the_bill_of_materials(tmp_path: Path) -> None:
    """`make sbom`: valid CycloneDX that names every pin of the image with its digests."""
    [line] = re.findall(r"\$\(BIN\)/python (-m cyclonedx_py .+)", (ROOT / "Makefile").read_text())
    words = line.replace("build/sbom.json", str(tmp_path / "sbom.json")).split()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "routebook"
    assert {canonicalize_name(each["name"]): each["version"] for each in bill["components"]} == pins("image.txt")
    for each in bill["components"]:
        assert any(reference.get("hashes") for reference in each["externalReferences"]), each["name"]


def built(clone: Path, commit: str, zone: str, umask: int) -> dict[str, bytes]:
    """What `deploy/dist.py` makes of a commit in a clone, by file."""
    words = [sys.executable, str(clone / "deploy" / "dist.py"), commit, "--out", str(clone / "dist")]
    environment = plain_environment({"TZ": zone, "PYTHONHASHSEED": str(umask)})
    done = subprocess.run(
        words, cwd=clone, env=environment, capture_output=True, text=True, timeout=240, check=False, umask=umask
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in sorted((clone / "dist").iterdir())}


def test_a_build_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """Two clones, elsewhere, of another age, by somebody with another mask and zone: the same wheel, archive and digests."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for folder, zone, umask in (("one", "UTC", 0o022), ("other/of/them", "Asia/Kolkata", 0o077)):
        clone = tmp_path / folder
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(clone)], check=True, timeout=120)
        (clone / "rules" / "stray.yaml").write_text("left: by somebody\n")
        for age, path in enumerate(sorted((clone / "proxy").rglob("*.py"))):
            os.utime(path, (1e9 + age * umask, 1e9 + age * umask))
        found.append(built(clone, commit.strip(), zone, umask))
    one, other = found
    assert {Path(name).suffix for name in one} == {".gz", ".whl", ""}
    assert one == other
    sums = dict(reversed(line.split("  ")) for line in one["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in one.items() if name != "SHA256SUMS"}
