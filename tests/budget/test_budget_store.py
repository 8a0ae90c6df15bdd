"""A store that fails never stops a sell: the process counts alone, says so once, and shares again when it can."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_3commas.api import RateLimitExceeded
from airflow_provider_3commas.budget import Reason, RequestBudget, store
from airflow_provider_3commas.budget import budget as budget_module
from tests.budget.budgets import REAL, SELL, use_up, warnings


def still_counts(budget: RequestBudget, caplog, *words: str) -> None:
    """Check that sells go on, are counted, and that one warning said why nothing is shared."""
    assert budget.reserve(SELL).granted
    assert use_up(budget, SELL) <= 97
    assert len(warnings(caplog)) == 1
    assert all(word in warnings(caplog)[0] for word in words)
    assert budget.status().store_error in warnings(caplog)[0]


def test_a_path_that_is_a_directory_is_named_and_sells_go_on(budgets, tmp_path, caplog):
    still_counts(budgets(path=tmp_path), caplog, str(tmp_path), "unable to open")


def test_a_directory_that_cannot_be_made_is_named_and_sells_go_on(budgets, tmp_path, caplog):
    (tmp_path / "file").touch()
    still_counts(budgets(path=tmp_path / "file" / "budget.sqlite"), caplog, "File exists")


def test_a_corrupt_file_is_named_with_what_to_do_about_it(budgets, tmp_path, caplog, monkeypatch):
    path = tmp_path / "budget.sqlite"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    budget = budgets(path=path)
    still_counts(budget, caplog, f"Delete {path}")
    path.unlink()
    monkeypatch.setattr(budget, "_retry_at", 0.0)
    assert (budget.status().used, budget.status().store_error) == (98, None)
    assert warnings(caplog)[1:] == ["The request budget is shared again."]
    # What was counted alone is in the new file.
    assert not budgets(path=path).reserve(SELL).granted


def test_a_file_that_breaks_in_use_is_named_and_sells_go_on(budgets, tmp_path, caplog):
    budget = budgets(path=tmp_path / "budget.sqlite")
    assert budget.reserve(SELL).granted
    for file in tmp_path.iterdir():
        file.write_bytes(os.urandom(file.stat().st_size))
    still_counts(budget, caplog, "SQLite file")
    assert budget.status().used == 98


@pytest.mark.parametrize(
    "rubbish", ['{"granted": 7}', "'", b"\xff", b'{"granted": [], "\xff": 1}', '{"more": ' + "[" * 100_000, 7, 1.5]
)
def test_a_row_that_cannot_be_read_is_begun_anew(budgets, tmp_path, rubbish):
    path = tmp_path / "budget.sqlite"
    budget = budgets(path=path)
    budget.reserve(SELL)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE budget SET ledger = ?", [rubbish])
    connection.close()
    assert budget.reserve(SELL).granted
    assert budget.status().used == 1


def test_text_that_is_not_utf_8_is_begun_anew(budgets, tmp_path):
    path = tmp_path / "budget.sqlite"
    budget = budgets(path=path)
    budget.reserve(SELL)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE budget SET ledger = CAST(x'ff' AS TEXT)")
    connection.close()
    assert budget.reserve(SELL).granted
    assert (budget.status().used, budget.status().store_error) == (1, None)


def test_a_full_disk_is_named_and_sells_go_on(budgets, caplog):
    budget = budgets(requests_per_minute=2_000)
    assert sum(budget.reserve(SELL).granted for _ in range(100)) == 100
    budget._store._connection.execute("PRAGMA max_page_count = 1")
    assert use_up(budget, SELL) == budget.limits.sell_cap - 100
    assert len(warnings(caplog)) == 1
    assert "full" in warnings(caplog)[0]


def test_a_file_that_is_locked_for_too_long_is_named_and_sells_go_on(budgets, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(store, "STORE_TIMEOUT", 0.05)
    path = tmp_path / "budget.sqlite"
    budget = budgets(path=path)
    assert budget.reserve(SELL).granted
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    still_counts(budget, caplog, "locked")
    connection.close()
    assert budget.status().used == 98


def test_a_file_that_was_deleted_is_made_again_and_shared_again(budgets, tmp_path):
    path = tmp_path / "budget.sqlite"
    first = budgets(path=path)
    first.reserve(SELL)
    for file in tmp_path.iterdir():
        file.unlink()
    second = budgets(path=path)
    second.reserve(SELL)
    first.reserve(SELL)
    assert second.status().used == 2
    assert first.status().store_error is None


def test_many_may_make_the_file_at_the_same_moment(budgets, tmp_path):
    for attempt in range(20):
        crowd = [budgets(path=tmp_path / str(attempt) / "budget.sqlite") for _ in range(12)]
        barrier = threading.Barrier(len(crowd))

        def reserve(budget, barrier=barrier):
            barrier.wait()
            return budget.reserve(SELL).granted

        with ThreadPoolExecutor(len(crowd)) as pool:
            assert all(pool.map(reserve, crowd))
        assert [budget.status().store_error for budget in crowd] == [None] * len(crowd)
        assert crowd[0].status().used == len(crowd)


def test_a_failed_store_is_tried_again_once_a_minute(budgets, tmp_path, monkeypatch):
    ticks = [1_000.0]
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: ticks[0])
    budget = budgets(path=tmp_path)
    tried = []
    monkeypatch.setattr(type(budget._store), "_connected", lambda _self: tried.append(1) or Path("/not/there").stat())
    for ticks[0] in (1_000.0, 1_030.0, 1_059.0, 1_060.0, 1_061.0, 1_121.0):
        budget.reserve(SELL)
    assert len(tried) == 3


def test_a_pause_that_was_known_or_is_learnt_without_the_store_holds(budgets, tmp_path):
    path = tmp_path / "budget.sqlite"
    budget = budgets(path=path)
    budget.report(RateLimitExceeded("", retry_after=100))
    for file in tmp_path.iterdir():
        file.write_bytes(os.urandom(file.stat().st_size))
    assert budget.reserve(SELL).reason is Reason.PAUSE
    assert budget.status().store_error
    budget.report(RateLimitExceeded("", retry_after=200))
    assert budget.status().paused_for == pytest.approx(201)


def test_redis_without_its_package_counts_alone_and_says_what_to_install(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "redis", None)
    budget = RequestBudget("key", REAL, url="redis://:secret@localhost")
    assert budget.reserve(SELL).granted
    assert "airflow-provider-3commas[redis]" in warnings(caplog)[0]
    assert "secret" not in caplog.text
