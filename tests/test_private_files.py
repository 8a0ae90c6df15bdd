"""What is written is its owner's alone, whole or not at all, and nowhere that a link leads to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from airflow_provider_3commas import private_files


@pytest.fixture(autouse=True)
def _generous_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_are_made_for_their_owner_and_those_that_exist_stay(tmp_path):
    (tmp_path / "old").mkdir(mode=0o755)
    private_files.make_directory(tmp_path / "old" / "a" / "b")
    private_files.make_directory(tmp_path / "old" / "a" / "b")
    assert [mode(tmp_path / part) for part in ("old", "old/a", "old/a/b")] == [0o755, 0o700, 0o700]


def test_a_file_in_the_way_of_a_directory_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        private_files.make_directory(tmp_path / "file")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as reader:
        private_files.replace(path, b"new")
        assert reader.read() == "old"
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*_args: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="full"):
        private_files.replace(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_refused(tmp_path, there):
    other, path = tmp_path / "other", tmp_path / "report.html"
    if there:
        other.write_text("theirs")
    path.symlink_to(other)
    for write in (private_files.make_empty, lambda link: private_files.replace(link, b"new")):
        with pytest.raises(ValueError, match="symbolic link"):
            write(path)
    assert other.exists() is there
    assert not there or other.read_text() == "theirs"
