"""The budget's file is its owner's alone, is reached through no link, and never becomes of another program's file."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.budget.budgets import SELL, warnings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _generous_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def test_the_file_and_what_sqlite_keeps_beside_it_are_the_owners_alone(budgets, tmp_path):
    path = tmp_path / "a" / "b" / "budget.sqlite"
    assert budgets(path=path).reserve(SELL).granted
    assert [mode(file) for file in beside(path)] == [0o600] * 3
    assert [mode(path.parent), mode(path.parent.parent)] == [0o700, 0o700]


def test_a_directory_that_was_there_stays_as_it_is(budgets, tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    assert budgets(path=tmp_path / "home" / "budget.sqlite").reserve(SELL).granted
    assert mode(tmp_path / "home") == 0o755


@pytest.mark.parametrize(("was", "becomes"), [(0o644, 0o600), (0o666, 0o660), (0o660, 0o660), (0o600, 0o600)])
def test_a_file_of_an_earlier_version_goes_on_and_is_closed_to_others(budgets, tmp_path, was, becomes):
    path = tmp_path / "budget.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA journal_mode = WAL")
    old.execute("CREATE TABLE budget (id TEXT PRIMARY KEY, ledger BLOB NOT NULL)")
    for file in beside(path):
        file.chmod(was)
    first, second = budgets(path=path), budgets(path=path)
    assert first.reserve(SELL).granted
    assert second.status().used == 1
    assert [mode(file) for file in beside(path)] == [becomes] * 3
    old.close()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_refused_and_what_it_leads_to_stays_as_it_is(budgets, tmp_path, caplog, there):
    other, path = tmp_path / "other.sqlite", tmp_path / "budget.sqlite"
    if there:
        other.touch()
    path.symlink_to(other)
    budget = budgets(path=path)
    assert budget.reserve(SELL).granted
    assert "symbolic link" in warnings(caplog)[0]
    assert str(path) in warnings(caplog)[0]
    assert other.exists() is there
    assert not there or other.read_bytes() == b""


def test_a_link_in_place_of_the_file_is_noticed(budgets, tmp_path, caplog):
    path = tmp_path / "budget.sqlite"
    budget = budgets(path=path)
    budget.reserve(SELL)
    path.rename(tmp_path / "other.sqlite")
    path.symlink_to(tmp_path / "other.sqlite")
    assert budget.reserve(SELL).granted
    assert "symbolic link" in warnings(caplog)[0]


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE money (id TEXT)", "CREATE TABLE budget (month TEXT, amount TEXT)", "CREATE VIEW texts AS SELECT 1"],
)
def test_another_programs_database_is_left_alone(budgets, tmp_path, caplog, statement):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()
    path.chmod(0o644)
    before = path.read_bytes()
    assert budgets(path=path).reserve(SELL).granted
    assert "another program's database" in warnings(caplog)[0]
    assert "Delete" not in warnings(caplog)[0]
    assert (path.read_bytes(), mode(path)) == (before, 0o644)
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_becomes_a_budget(budgets, tmp_path, caplog):
    (tmp_path / "budget.sqlite").touch()
    assert budgets(path=tmp_path / "budget.sqlite").reserve(SELL).granted
    assert warnings(caplog) == []


def test_what_is_no_database_is_left_alone(budgets, tmp_path, caplog):
    path = tmp_path / "airflow.cfg"
    path.write_text("[core]\n")
    assert budgets(path=path).reserve(SELL).granted
    assert "unless it is something else's" in warnings(caplog)[0]
    assert path.read_text() == "[core]\n"


def test_many_that_make_the_file_at_once_do_not_take_the_locks_from_one_another(budgets, tmp_path):
    """POSIX drops all of a process's locks on a file when it closes one descriptor of it."""
    for attempt in range(10):
        crowd = [budgets(path=tmp_path / str(attempt) / "budget.sqlite") for _ in range(8)]
        barrier = threading.Barrier(len(crowd))

        def reserve(budget, barrier=barrier):
            barrier.wait()
            return [budget.reserve(SELL).granted for _ in range(5)]

        with ThreadPoolExecutor(len(crowd)) as pool:
            assert all(all(granted) for granted in pool.map(reserve, crowd))
        assert crowd[0].status().used == 5 * len(crowd)
