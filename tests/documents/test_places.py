"""Which files a policy consists of."""

from __future__ import annotations

from pathlib import Path

from routebook.documents.places import is_test_file, policy_files


def _write(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("version: 1\n")


def test_a_directory_gives_its_yaml_files_by_name_and_its_tests_last(tmp_path: Path) -> None:
    """`.yaml` and `.yml` files in the order of their names, then those of `tests/`."""
    _write(tmp_path, "rules.yml", "catalogue.yaml", "tests/night.yaml", "tests/day.yml", "README.md")
    found = [file.relative_to(tmp_path).as_posix() for file in policy_files(tmp_path)]
    assert found == ["catalogue.yaml", "rules.yml", "tests/day.yml", "tests/night.yaml"]


def test_other_sub_directories_and_leavings_of_editors_are_not_read(tmp_path: Path) -> None:
    """A half-written swap file or a directory of old rules never becomes policy."""
    _write(
        tmp_path,
        "policy.yaml",
        ".policy.yaml",
        ".#policy.yaml",
        "policy.yaml~",
        "policy.yaml.swp",
        "old/rules.yaml",
        "tests/deeper/case.yaml",
    )
    (tmp_path / "folder.yaml").mkdir()
    assert policy_files(tmp_path) == [tmp_path / "policy.yaml"]


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    """One file is a policy whatever its name is, and its neighbours are not read."""
    _write(tmp_path, "policy.conf", "other.yaml")
    assert policy_files(tmp_path / "policy.conf") == [tmp_path / "policy.conf"]


def test_a_place_that_does_not_exist_has_no_files(tmp_path: Path) -> None:
    """Absence is the caller's to report, with the words of the caller's command."""
    assert policy_files(tmp_path / "nowhere") == []


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as links, by way of a hidden directory."""
    _write(tmp_path, "..data/policy.yaml")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    assert policy_files(tmp_path) == [tmp_path / "policy.yaml"]


def test_tests_are_known_by_their_directory(tmp_path: Path) -> None:
    """A file under `tests/` holds tests; a file of that name elsewhere is policy."""
    assert is_test_file(tmp_path / "tests" / "night.yaml")
    assert not is_test_file(tmp_path / "tests.yaml")
