"""Claims in a store that holds rubbish, or that can't be reached."""

from __future__ import annotations

import sqlite3
import uuid

import pytest

from airflow_provider_3commas.budget import Claim, Outcome, Reach, RequestBudget
from airflow_provider_3commas.budget import claims as claims_module
from airflow_provider_3commas.budget.claim_rules import encode_history
from airflow_provider_3commas.budget.limits import MAX_STORED_BYTES
from airflow_provider_3commas.budget.store import RETRY_STORE_AFTER, StoreUnavailable
from tests.budget.budgets import REAL, warnings
from tests.budget.claiming import START_MS, TASK_A, TASK_B, TASK_C, WITHIN, read, refused, write
from tests.fakes import ACCOUNT

# --- what a store may hold -------------------------------------------------------------------------------------------

RUBBISH = [
    b"[",
    b"7",
    b"\xff",
    b'{"task": "a"}',
    b"[" * 100_000,
    b'[{"task": "a", "try_number": 1, "at": 1, "outcome": "sold", "more": ' + b"[" * 100_000,
    b'[{"task": "a\\nWARNING", "try_number": 1, "at": 1, "outcome": "sold"}]',
    b'[{"task": "\xff", "try_number": 1, "at": 1, "outcome": "sold"}]',
    b'[{"task": "", "try_number": 1, "at": 1, "outcome": "sold"}]',
    b'[{"task": "' + b"x" * 1001 + b'", "try_number": 1, "at": 1, "outcome": "sold"}]',
    b'[{"task": "a", "try_number": -1, "at": 1, "outcome": "sold"}]',
    b'[{"task": "a", "try_number": 1, "at": -1, "outcome": "sold"}]',
    b'[{"task": "a", "try_number": 1, "at": 1e400, "outcome": "sold"}]',
    b'[{"task": "a", "try_number": 1, "at": 300000000000000, "outcome": "sold"}]',
    b'[{"task": "a", "try_number": 1, "at": 1, "outcome": "eaten"}]',
    b"[" + b" " * MAX_STORED_BYTES + b"]",
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=[str(number) for number in range(len(RUBBISH))])
def test_what_cannot_be_read_counts_as_nothing_and_is_told_once(stores, claims, caplog, rubbish):
    budget = stores()
    write(budget, rubbish)
    claims.check(ACCOUNT, TASK_A, WITHIN)
    # Not written over; of what is too long only a part is read.
    assert rubbish.startswith(read(budget))
    assert len(read(budget)) >= min(len(rubbish), MAX_STORED_BYTES)
    assert claims.holder(ACCOUNT) is None
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert claims.holder(ACCOUNT).task == TASK_A.task
    assert len(warnings(caplog)) == 1
    assert str(ACCOUNT) in caplog.text
    assert len(caplog.text) < 1_000


def test_a_field_of_a_later_version_is_no_rubbish(stores, claims, caplog):
    write(stores(), b'[{"task":"a","try_number":1,"at":%d,"outcome":"sold","colour":"blue"}]' % START_MS)
    refused(claims, TASK_B)
    assert warnings(caplog) == []


@pytest.mark.parametrize("value", [7, 1.5, "['", "CAST(x'ff' AS TEXT)"])
def test_a_row_of_another_type_counts_as_nothing(sqlite_budget, tmp_path, caplog, value):
    claims = sqlite_budget.claims
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    with sqlite3.connect(tmp_path / "budget.sqlite") as connection:
        written = value if str(value).startswith("CAST") else "?"
        connection.execute(f"UPDATE texts SET text = {written}", [] if written == value else [value])
    connection.close()
    claims.claim(ACCOUNT, TASK_B, WITHIN)
    assert ["can't be read" in warning for warning in warnings(caplog)] == [True]


def test_a_file_of_an_earlier_version_learns_to_keep_claims(tmp_path, clock):
    with sqlite3.connect(tmp_path / "budget.sqlite") as connection:
        connection.execute("CREATE TABLE budget (id TEXT PRIMARY KEY, ledger BLOB NOT NULL)")
    connection.close()
    budget = RequestBudget("key", REAL, clock=clock, path=tmp_path / "budget.sqlite")
    budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert budget.claims.holder(ACCOUNT).task == TASK_A.task
    budget.close()


def test_the_key_is_not_in_redis_and_a_claim_is_kept_for_longer_than_anybody_may_ask(module_redis_url):
    import redis

    key = uuid.uuid4().hex
    budget = RequestBudget(key, REAL, url=module_redis_url)
    budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
    with redis.Redis.from_url(module_redis_url) as client:
        names = client.keys(f"*{budget.identity}:{ACCOUNT}")
        assert len(names) == 1
        assert not client.keys(f"*{key}*")
        assert client.pttl(names[0]) > 30 * 86_400_000
    budget.close()


# --- a store in trouble ----------------------------------------------------------------------------------------------


class Switch:
    """Break a budget's store, and repair it."""

    def __init__(self, budget: RequestBudget, monkeypatch) -> None:
        self.broken, self.tried = False, 0
        works = budget._store.swap

        def swap(name, change):
            self.tried += 1
            if self.broken:
                raise StoreUnavailable("the store is out of order.")
            return works(name, change)

        monkeypatch.setattr(budget._store, "swap", swap)


@pytest.fixture
def ticks(monkeypatch):
    """Return this process's monotonic clock."""
    ticks = [1_000.0]
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: ticks[0])
    return ticks


@pytest.fixture
def switch(sqlite_budget, monkeypatch):
    return Switch(sqlite_budget, monkeypatch)


def test_without_the_store_tasks_of_one_process_exclude_one_another_and_one_warning_says_so(
    sqlite_budget, switch, caplog
):
    claims = sqlite_budget.claims
    switch.broken = True
    claims.check(ACCOUNT, TASK_A, WITHIN)
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    refused(claims, TASK_B)
    claims.sold(ACCOUNT, TASK_A)
    assert refused(claims, TASK_B).claim.outcome is Outcome.SOLD
    assert claims.reach is Reach.PROCESS
    assert len(warnings(caplog)) == 1
    assert "the store is out of order." in warnings(caplog)[0]
    assert str(ACCOUNT) in warnings(caplog)[0]


def test_a_claim_that_was_known_holds_when_the_store_breaks(sqlite_budget, switch):
    claims = sqlite_budget.claims
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    switch.broken = True
    assert refused(claims, TASK_B).claim.task == TASK_A.task


def test_what_was_claimed_alone_is_in_the_store_when_it_is_back(sqlite_budget, switch, ticks, caplog):
    claims = sqlite_budget.claims
    switch.broken = True
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.sold(ACCOUNT, TASK_A)
    claims.check(ACCOUNT, TASK_A, WITHIN)
    switch.broken = False
    assert read(sqlite_budget) == b""
    refused(claims, TASK_B)
    assert TASK_A.task.encode() in read(sqlite_budget)
    assert claims.reach is Reach.MACHINE
    assert "can be seen again" in warnings(caplog)[-1]


def test_what_was_claimed_alone_does_not_bring_back_what_others_have_given_up(sqlite_budget, switch):
    claims = sqlite_budget.claims
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    write(sqlite_budget, b"[]")
    claims.check(ACCOUNT, TASK_B, WITHIN)
    switch.broken = True
    claims.claim(ACCOUNT, TASK_B, WITHIN)
    switch.broken = False
    claims.release(ACCOUNT, TASK_B)
    assert claims.holder(ACCOUNT) is None


def test_what_was_only_read_alone_does_not_bring_back_what_others_have_given_up(sqlite_budget, switch):
    claims = sqlite_budget.claims
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    switch.broken = True
    claims.check(ACCOUNT, TASK_A, WITHIN)
    switch.broken = False
    write(sqlite_budget, b"[]")
    assert claims.holder(ACCOUNT) is None


def test_a_claim_that_others_made_meanwhile_stays(sqlite_budget, switch):
    claims = sqlite_budget.claims
    switch.broken = True
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    theirs = Claim(TASK_C.task, 1, START_MS, Outcome.SOLD)
    switch.broken = False
    write(sqlite_budget, encode_history((theirs,)))
    claims.release(ACCOUNT, TASK_A)
    assert claims.holder(ACCOUNT) == theirs


def test_whoever_asks_again_at_once_is_not_kept_waiting_by_the_store_again(sqlite_budget, switch, ticks):
    claims = sqlite_budget.claims
    switch.broken = True
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert switch.tried == 1
    claims.check(ACCOUNT, TASK_A, WITHIN)
    assert switch.tried == 2
    ticks[0] += RETRY_STORE_AFTER
    switch.broken = False
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert switch.tried == 3
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert switch.tried == 4


def test_a_claim_that_could_not_be_given_up_in_the_store_is_told(sqlite_budget, switch, caplog):
    claims = sqlite_budget.claims
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    switch.broken = True
    claims.release(ACCOUNT, TASK_A)
    assert claims.holder(ACCOUNT) is None
    assert "may still stand" in warnings(caplog)[-1]
    claims.claim(ACCOUNT, TASK_B, WITHIN)


def test_what_is_claimed_alone_has_the_stores_time_as_far_as_it_is_known(sqlite_budget, switch, monkeypatch, clock):
    claims = sqlite_budget.claims
    monkeypatch.setattr(sqlite_budget._store, "_clock", lambda: clock() + 100)
    claims.check(ACCOUNT, TASK_A, WITHIN)
    switch.broken = True
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert claims.holder(ACCOUNT).at == START_MS + 100_000


def test_a_store_that_breaks_for_the_claims_goes_on_counting_requests(sqlite_budget, switch):
    switch.broken = True
    sqlite_budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert sqlite_budget.status().store_error is None


def test_a_file_that_cannot_be_used_is_named_and_claims_still_hold_in_the_process(tmp_path, caplog):
    budget = RequestBudget(uuid.uuid4().hex, REAL, path=tmp_path)
    budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
    refused(budget.claims, TASK_B)
    assert len(warnings(caplog)) == 1
    assert str(tmp_path) in warnings(caplog)[0]
