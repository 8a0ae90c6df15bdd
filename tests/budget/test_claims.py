"""One account, one liquidation at a time: the rule, over every store."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.api.errors import LiquidationRefused
from airflow_provider_3commas.budget import AccountTaken, Claim, Claimant, Outcome, Reach, RequestBudget
from airflow_provider_3commas.budget.claim_rules import MAX_CLAIMS, MAX_CLOCK_SKEW
from airflow_provider_3commas.budget.limits import MAX_STORED_BYTES
from tests.budget.budgets import REAL, run_python
from tests.budget.claiming import START_MS, TASK_A, TASK_B, TASK_C, WITHIN, later, read, refused
from tests.fakes import ACCOUNT, START

# --- who may ---------------------------------------------------------------------------------------------------------


def test_an_account_that_nobody_has_claimed_is_free(claims):
    claims.check(ACCOUNT, TASK_A, WITHIN)
    assert claims.holder(ACCOUNT) is None


def test_a_check_claims_nothing(stores, claims, others):
    claims.check(ACCOUNT, TASK_A, WITHIN)
    others.claim(ACCOUNT, TASK_B, WITHIN)
    claims.check(ACCOUNT, TASK_B, WITHIN)
    assert claims.holder(ACCOUNT) == Claim(TASK_B.task, 1, START_MS, Outcome.UNDER_WAY)


def test_a_second_task_is_refused_until_not_within_is_over(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now += WITHIN - 0.001
    refused(others, TASK_B)
    clock.now += 0.001
    others.check(ACCOUNT, TASK_B, WITHIN)
    others.claim(ACCOUNT, TASK_B, WITHIN)
    refused(claims, TASK_A)


def test_the_refusal_says_who_when_what_until_and_how_to_lift_it(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now += 185
    refusal = refused(others, TASK_B)
    assert isinstance(refusal, LiquidationRefused)
    assert refusal.permanent
    assert refusal.claim.task == TASK_A.task
    for words in (
        "Nothing was sent",
        f"account {ACCOUNT}",
        f"another task ({TASK_A.task}, try 1)",
        "began to liquidate it, and has not said what became of it, 3 min 5 s ago (at 2026-09-21T14:13:20+00:00)",
        "before 2026-09-21T14:23:21+00:00",
        "not_within on the operator (now 600 s), or not_within=None",
    ):
        assert words in str(refusal)
    # Rounded up: who comes back then is let in.
    assert refusal.until == datetime.fromtimestamp(START + WITHIN, UTC) + timedelta(seconds=1)


@pytest.mark.parametrize(("end", "words"), [("sold", "sold it 0 s ago"), ("unknown", "whose outcome is unknown")])
def test_the_refusal_says_what_became_of_the_sell(claims, others, end, words):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    getattr(claims, end)(ACCOUNT, TASK_A)
    assert words in str(refused(others, TASK_B))


def test_without_not_within_nobody_is_refused_and_the_claim_is_written_all_the_same(claims, others):
    claims.claim(ACCOUNT, TASK_A, None)
    others.check(ACCOUNT, TASK_B, None)
    others.claim(ACCOUNT, TASK_B, None)
    assert claims.holder(ACCOUNT).task == TASK_B.task
    assert refused(others, TASK_C).claim.task == TASK_B.task


@pytest.mark.parametrize("not_within", [0.0, -1.0])
def test_a_not_within_of_nothing_refuses_nobody(claims, others, not_within):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    others.claim(ACCOUNT, TASK_B, not_within)


def test_an_absurd_not_within_can_still_be_told(claims, others):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert refused(others, TASK_B, float("inf")).until.year == 9000


def test_accounts_keys_and_addresses_know_nothing_of_one_another(stores, claims):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.claim(ACCOUNT + 1, TASK_B, WITHIN)
    stores("another key").claims.claim(ACCOUNT, TASK_B, WITHIN)
    stores(base_url="http://127.0.0.1:8080").claims.claim(ACCOUNT, TASK_B, WITHIN)
    refused(stores(base_url=REAL + "/").claims, TASK_B)


def test_the_same_task_is_let_through_whatever_it_has_done(claims, others):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    others.claim(ACCOUNT, later(TASK_A), WITHIN)
    others.unknown(ACCOUNT, later(TASK_A))
    others.claim(ACCOUNT, later(TASK_A, 2), WITHIN)
    others.sold(ACCOUNT, later(TASK_A, 2))
    others.check(ACCOUNT, later(TASK_A, 3), WITHIN)
    others.claim(ACCOUNT, later(TASK_A, 3), WITHIN)


@pytest.mark.parametrize("not_within", [WITHIN, None])
@pytest.mark.parametrize("end", [None, "sold", "unknown"])
def test_a_try_that_was_replaced_is_refused_whatever_not_within_says(claims, others, clock, not_within, end):
    claims.claim(ACCOUNT, TASK_A, not_within)
    others.claim(ACCOUNT, later(TASK_A), not_within)
    if end:
        getattr(others, end)(ACCOUNT, later(TASK_A))
    clock.now += 86_400
    refusal = refused(claims, TASK_A, not_within)
    assert "a later try of this task (try 2; this is try 1) is at work" in str(refusal)
    assert refusal.until is None


def test_a_later_try_that_has_given_its_claim_up_replaces_nobody(claims, others):
    others.claim(ACCOUNT, later(TASK_A), WITHIN)
    others.release(ACCOUNT, later(TASK_A))
    claims.claim(ACCOUNT, TASK_A, WITHIN)


# --- what stays ------------------------------------------------------------------------------------------------------


def test_a_sale_counts_from_when_it_was_known(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now += 500
    claims.sold(ACCOUNT, TASK_A)
    assert claims.holder(ACCOUNT) == Claim(TASK_A.task, 1, START_MS + 500_000, Outcome.SOLD)
    clock.now += 500
    refused(others, TASK_B)


def test_a_sale_that_is_recorded_twice_is_no_later_for_it(claims, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.sold(ACCOUNT, TASK_A)
    clock.now += 500
    claims.sold(ACCOUNT, later(TASK_A))
    assert claims.holder(ACCOUNT).at == START_MS


def test_a_sale_without_a_claim_is_recorded(claims, others):
    claims.sold(ACCOUNT, TASK_A)
    refused(others, TASK_B)


def test_an_unknown_outcome_counts_from_when_the_sell_left(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now += 500
    claims.unknown(ACCOUNT, TASK_A)
    assert claims.holder(ACCOUNT) == Claim(TASK_A.task, 1, START_MS, Outcome.UNKNOWN)
    refused(others, TASK_B)
    clock.now += 100
    others.claim(ACCOUNT, TASK_B, WITHIN)


def test_an_unknown_outcome_without_a_claim_is_recorded(claims, others):
    claims.unknown(ACCOUNT, TASK_A)
    assert refused(others, TASK_B).claim.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("outcome", ["under way", "unknown"])
def test_a_claim_that_is_given_up_frees_the_account_at_once(claims, others, outcome):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    if outcome == "unknown":
        claims.unknown(ACCOUNT, TASK_A)
    claims.release(ACCOUNT, TASK_A)
    assert claims.holder(ACCOUNT) is None
    others.claim(ACCOUNT, TASK_B, WITHIN)


def test_a_claim_that_is_given_up_leaves_behind_somebody_elses_sale(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.sold(ACCOUNT, TASK_A)
    clock.now += 60
    others.claim(ACCOUNT, TASK_B, None)
    others.release(ACCOUNT, TASK_B)
    assert refused(others, TASK_C).claim == Claim(TASK_A.task, 1, START_MS, Outcome.SOLD)


def test_a_claim_that_is_given_up_leaves_behind_a_sale_of_its_own_task(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.sold(ACCOUNT, TASK_A)
    clock.now += 60
    claims.claim(ACCOUNT, later(TASK_A), WITHIN)
    claims.release(ACCOUNT, later(TASK_A))
    assert refused(others, TASK_C).claim == Claim(TASK_A.task, 1, START_MS, Outcome.SOLD)


def test_claims_that_are_given_up_out_of_turn_leave_the_others(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, None)
    clock.now += 1
    others.claim(ACCOUNT, TASK_B, None)
    claims.release(ACCOUNT, TASK_A)
    assert refused(claims, TASK_C).claim.task == TASK_B.task
    others.release(ACCOUNT, TASK_B)
    claims.claim(ACCOUNT, TASK_C, WITHIN)


def test_a_later_try_gives_up_what_an_earlier_one_left_and_not_the_other_way_round(claims, others):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    claims.release(ACCOUNT, later(TASK_A))
    assert claims.holder(ACCOUNT) is None
    claims.claim(ACCOUNT, later(TASK_A), WITHIN)
    claims.release(ACCOUNT, TASK_A)
    refused(others, TASK_B)


def test_the_accepted_sell_of_a_replaced_try_is_recorded_beside_the_later_ones_claim(claims, others):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    others.claim(ACCOUNT, later(TASK_A), WITHIN)
    claims.sold(ACCOUNT, TASK_A)
    others.release(ACCOUNT, later(TASK_A))
    assert refused(others, TASK_B).claim.outcome is Outcome.SOLD


def test_nobody_else_can_give_a_claim_up(claims, others):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    others.release(ACCOUNT, TASK_B)
    assert refused(others, TASK_B).claim.task == TASK_A.task


def test_what_is_kept_of_an_account_is_bounded(stores, claims, clock):
    for number in range(3 * MAX_CLAIMS):
        clock.now += 1
        claims.claim(ACCOUNT, Claimant("x" * 990 + str(number), 1), None)
    assert len(read(stores())) < MAX_STORED_BYTES
    assert read(stores()).count(b'"task"') == MAX_CLAIMS
    assert claims.holder(ACCOUNT).task.endswith(str(3 * MAX_CLAIMS - 1))


@pytest.mark.parametrize(
    ("task", "try_number"),
    [
        ("", 1),
        (None, 1),
        ("x" * 1001, 1),
        ("a\nb", 1),
        ("a\ud800", 1),
        ("a", -1),
        ("a", True),
        ("a", "1"),
        ("a", 2**31),
    ],
)
def test_a_claimant_that_cannot_be_told_apart_is_refused(task, try_number):
    with pytest.raises(ConfigurationError):
        Claimant(task, try_number)


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_lifts_nothing(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now -= 30
    refusal = refused(others, TASK_B)
    assert " 0 s ago" in str(refusal)
    clock.now = START + WITHIN - 1
    refused(others, TASK_B)
    clock.now = refusal.until.timestamp()
    others.claim(ACCOUNT, TASK_B, WITHIN)


def test_a_clock_that_is_set_back_by_more_than_not_within_lifts_nothing_either(claims, others, clock):
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now -= 2 * WITHIN
    refused(others, TASK_B)
    others.claim(ACCOUNT, TASK_B, 0.0)


def test_a_claim_from_far_ahead_grows_old_from_now_on(claims, others, clock):
    clock.now += 365 * 86_400
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now = START
    refused(others, TASK_B)
    clock.now += WITHIN - 1
    refused(others, TASK_B)
    clock.now += 1
    others.claim(ACCOUNT, TASK_B, WITHIN)


def test_a_claim_from_as_far_ahead_as_clocks_may_differ_keeps_its_time(claims, clock):
    clock.now += MAX_CLOCK_SKEW / 1000
    claims.claim(ACCOUNT, TASK_A, WITHIN)
    clock.now = START
    assert claims.holder(ACCOUNT).at == START_MS + MAX_CLOCK_SKEW


def test_the_clock_of_redis_counts_for_everybody(module_redis_url):
    import redis

    budget = RequestBudget(uuid.uuid4().hex, REAL, url=module_redis_url)
    with redis.Redis.from_url(module_redis_url) as client:
        before, _ = client.time()
        budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
        after, _ = client.time()
    assert before * 1000 <= budget.claims.holder(ACCOUNT).at < (after + 1) * 1000
    budget.close()


# --- among whom ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        (None, Reach.PROCESS),
        ("memory://", Reach.PROCESS),
        ("sqlite:////var/lib/airflow/budget.sqlite", Reach.MACHINE),
        ("unix:///run/redis.sock", Reach.MACHINE),
        ("redis://localhost", Reach.MACHINE),
        ("redis://:secret@127.0.0.1:6379/0", Reach.MACHINE),
        ("redis://[::1]:6379", Reach.MACHINE),
        ("redis://redis.example", Reach.MACHINES),
        ("rediss://user:secret@10.0.0.7:6380/1", Reach.MACHINES),
    ],
)
def test_the_caller_can_tell_among_whom_a_claim_holds(url, reach):
    claims = RequestBudget("key", REAL, url=url).claims
    assert claims.reach is reach
    assert claims.shared_between_machines is (reach is Reach.MACHINES)


def test_threads_of_a_process_exclude_one_another(stores):
    views = [stores().claims for _ in range(8)]
    barrier = threading.Barrier(len(views))

    def claim(number: int) -> bool:
        barrier.wait()
        try:
            views[number].claim(ACCOUNT, Claimant(f"task {number}", 1), WITHIN)
        except AccountTaken:
            return False
        return True

    with ThreadPoolExecutor(len(views)) as pool:
        assert list(pool.map(claim, range(len(views)))).count(True) == 1


def test_a_forked_process_has_locks_of_its_own(tmp_path):
    script = """
import os, sys
from pathlib import Path
from airflow_provider_3commas.budget import AccountTaken, Claimant, RequestBudget, claims, store
budgets = [RequestBudget("key", "https://api.3commas.io", path=Path(sys.argv[1])),
           RequestBudget("key", "https://api.3commas.io", url="memory://")]
for budget in budgets:
    budget.claims.claim(1, Claimant("parent", 1), 600)
for lock in (budgets[0]._lock, claims._process_claims.lock, store._texts_lock):
    lock.acquire()  # as another thread may have, at the moment of the fork
if os.fork() == 0:
    refused = 0
    for budget in budgets:
        try:
            budget.claims.claim(1, Claimant("child", 1), 600)
        except AccountTaken:
            refused += 1
        budget.claims.claim(2, Claimant("child", 1), 600)
    os._exit(0 if refused == 2 else 3)
assert os.wait()[1] == 0
"""
    options = ["-W", "ignore::DeprecationWarning"]
    status, _, errors = run_python(*options, "-c", script, str(tmp_path / "budget.sqlite"))
    assert (status, errors) == (0, "")
