"""The wheel and the source archive of a commit: whoever builds it, wherever and whenever, gets the same bytes.

    python deploy/dist.py [COMMIT] [--out dist]

They are built of what Git holds of the commit, not of what lies in the checkout, with the build backend of this Python's
environment: `deploy/locks/build.txt` pins it, and another version may give other bytes. `SHA256SUMS` beside them tells two builds apart.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Build both; 1 where that fails."""
    parser = argparse.ArgumentParser(
        description="Build wheel and source archive of a commit, the same bytes each time."
    )
    parser.add_argument("commit", nargs="?", default="HEAD", help="what to build (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="DIR", help="where to (default: %(default)s)")
    args = parser.parse_args()
    try:
        made = build(args.commit, args.out)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or b"").decode("utf-8", "replace").strip()
        print(f"dist: {error.cmd[0]} failed\n{said}", file=sys.stderr)
        return 1
    print("\n".join(made))
    return 0


def build(commit: str, out: Path) -> list[str]:
    """Build into a folder; the lines of SHA256SUMS. Raises subprocess.CalledProcessError."""
    moment = int(_git("show", "--no-patch", "--no-show-signature", "--format=%ct", f"{commit}^{{commit}}"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        source, built = Path(name) / "source", Path(name) / "built"
        _export(commit, source)
        # wheel and setuptools date what they pack by it; hashes order what they list
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment), "PYTHONHASHSEED": "0"}
        words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)]
        subprocess.run(words, check=True, capture_output=True, env=environment, umask=0o022)
        files = sorted(built.iterdir())
        for file in files:
            content = file.read_bytes()
            (out / file.name).write_bytes(_dated(content, moment) if file.name.endswith(".tar.gz") else content)
    sums = [f"{hashlib.sha256((out / file.name).read_bytes()).hexdigest()}  {file.name}" for file in files]
    (out / "SHA256SUMS").write_text("".join(f"{line}\n" for line in sums))
    return sums


def _git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True).stdout


def _export(commit: str, folder: Path) -> None:
    """The files of a commit, with nothing of whoever checked it out in their modes."""
    archive = _git("-c", "tar.umask=0022", "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="tar")


def _dated(archive: bytes, moment: int) -> bytes:
    """A source archive whose entries are in order, all of one moment (Unix seconds), and nobody's."""
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as old,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            content = old.extractfile(entry)
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.pax_headers = moment, 0, 0, "", "", {}
            new.addfile(entry, content)
    return gzip.compress(plain.getvalue(), 9, mtime=moment)


if __name__ == "__main__":
    sys.exit(main())
