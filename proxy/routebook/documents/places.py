"""Which files a policy consists of: one file, or the YAML files of a directory and of its `tests/`.

Other sub-directories are not read, so that a policy is what `ls` shows. Editors' leavings (`.policy.yaml.swp`,
`policy.yaml~`, `.#policy.yaml`) are not policy files.
"""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml")
"""How the name of a policy file ends."""

TESTS = "tests"
"""The one sub-directory that is read: policy tests beside the policy."""


def policy_files(path: Path) -> list[Path]:
    """The files of a policy, in the order of their names, tests last; none where the place does not exist.

    A file stands for itself, whatever its name is.
    """
    if not path.is_dir():
        return [path] if path.exists() else []
    return [*_yaml_files(path), *_yaml_files(path / TESTS)]


def is_test_file(path: Path) -> bool:
    """Whether a policy file stands in a policy's `tests/`."""
    return path.parent.name == TESTS


def _yaml_files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(
        file
        for file in directory.iterdir()
        if file.suffix in SUFFIXES and not file.name.startswith(".") and not file.is_dir()
    )
