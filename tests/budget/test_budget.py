"""One budget for everything that uses a key at an address: counting, configuring, pausing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_3commas.api import (
    ConfigurationError,
    IpBanned,
    OutcomeUnknown,
    PlanLimitReached,
    RateLimitExceeded,
)
from airflow_provider_3commas.budget import RequestBudget, shared_budget
from tests.budget.budgets import POLL, REAL, SELL, run_python, use_up

# --- one budget a key and address ------------------------------------------------------------------------------------


def test_everybody_with_the_same_key_and_address_shares_one_budget(budgets):
    assert use_up(budgets(), SELL) == 98
    assert not budgets(base_url="https://api.3commas.io/").reserve(SELL).granted
    assert budgets(api_key="another").reserve(SELL).granted
    assert budgets(base_url="http://127.0.0.1:8080").reserve(SELL).granted


def test_the_key_is_not_in_the_file_nor_in_the_repr(budgets, tmp_path):
    budget = budgets(api_key="my-very-own-key")
    budget.reserve(SELL)
    files = list((tmp_path / "home").iterdir())
    assert files
    assert not any(b"my-very-own-key" in file.read_bytes() for file in files)
    assert "my-very-own-key" not in repr(budget)


def test_status_counts_nothing(budgets):
    budget = budgets(requests_per_minute=50)
    budget.reserve(POLL)
    for _ in range(2):
        status = budget.status()
    assert (status.limit, status.used, status.remaining, status.remaining_for_sells) == (50, 1, 44, 48)
    assert (status.waiting, status.paused_for, status.store_error) == (0, 0.0, None)


def test_a_reservation_tells_what_is_left(budgets):
    assert budgets().reserve(POLL).remaining == 89
    assert budgets().reserve(SELL).remaining == 96


def test_a_place_in_the_queue_can_be_given_up(budgets):
    budget = budgets()
    use_up(budget, SELL)
    ticket = budget.reserve(SELL).ticket
    assert budget.status().waiting == 1
    budget.withdraw(ticket)
    assert budget.status().waiting == 0


def test_a_process_has_one_budget_for_the_same_parameters():
    first = shared_budget("key", REAL, url="memory://")
    assert shared_budget("key", REAL + "/", url="memory://") is first
    assert shared_budget("key", REAL, url="memory://", requests_per_minute=50) is not first
    assert shared_budget("other", REAL, url="memory://") is not first


def test_without_url_and_path_only_this_process_is_counted(clock):
    budget = RequestBudget("key", REAL, clock=clock)
    assert use_up(budget, POLL) > 0
    assert budget.status().store_error is None
    budget.close()


def test_threads_share_a_budget(budgets):
    budget = budgets()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: budget.reserve(SELL).granted, range(200)))
    assert answers.count(True) == 98


def test_a_forked_process_uses_a_connection_of_its_own(tmp_path):
    script = """
import os, sys
from pathlib import Path
from airflow_provider_3commas.budget import Priority, RequestBudget
budgets = [RequestBudget("key", "https://api.3commas.io", path=Path(sys.argv[1])),
           RequestBudget("key", "https://api.3commas.io", url="memory://")]
for budget in budgets:
    budget.reserve(Priority.SELL)
    budget._lock.acquire()  # as another thread may have, at the moment of the fork
if os.fork() == 0:
    for budget in budgets:
        assert budget.reserve(Priority.SELL).granted
    os._exit(0 if budgets[0].status().used == 2 and budgets[1].status().used == 2 else 3)
assert os.wait()[1] == 0
for budget in budgets:
    budget._lock.release()
    budget.reserve(Priority.SELL)
assert (budgets[0].status().used, budgets[1].status().used) == (3, 2)
assert budgets[0].status().store_error is None
"""
    options = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    status, _, errors = run_python(*options, "-c", script, str(tmp_path / "budget.sqlite"))
    assert (status, errors) == (0, "")


def test_importing_it_brings_no_store_and_no_airflow():
    script = (
        "import sys, airflow_provider_3commas.budget; "
        "print([name for name in ('airflow', 'redis', 'sqlite3', 'requests', 'asyncio') if name in sys.modules])"
    )
    assert run_python("-c", script)[:2] == (0, "[]\n")


# --- what can be configured ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "sqlite:////var/lib/airflow/budget.sqlite",
        "redis://localhost",
        "redis://:secret@localhost:6379/0",
        "rediss://user:secret@redis.example:6380/1?ssl_cert_reqs=required",
        "redis://[::1]:6379",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_budget_url_opens_nothing_before_the_first_request(url):
    RequestBudget("key", REAL, url=url)


@pytest.mark.parametrize(
    "url",
    [
        "memory://somewhere",
        "sqlite://",
        "sqlite:///",
        "sqlite:///relative.sqlite",
        "sqlite:////directory/",
        "redis://",
        "redis:localhost",
        "redis://:secret@",
        "redis://:secret@localhost:port",
        "redis://:secret@localhost:0",
        "redis://:secret@localhost:99999",
        "redis://:secret@localhost/database",
        "unix://",
        "postgres://user:secret@localhost/db",
        "http://:secret@localhost",
        "secret",
        "/var/lib/secret.sqlite",
        "redis://:secret@[::1",
    ],
)
def test_a_budget_url_that_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError, match="budget_url") as raised:
        RequestBudget("key", REAL, url=url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_address_that_cannot_be_used_is_refused():
    with pytest.raises(ConfigurationError, match="http"):
        RequestBudget("key", "http://api.3commas.io")


# --- what replies mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (RateLimitExceeded("", retry_after=7), 8),
        (RateLimitExceeded("", retry_after=0), 1),
        (RateLimitExceeded("", retry_after=300), 301),
        (RateLimitExceeded(""), 301),
        (IpBanned("", retry_after=1), 121),
        (IpBanned("", retry_after=120), 121),
        (IpBanned("", retry_after=3600), 3601),
        (IpBanned(""), 601),
        (PlanLimitReached("", retry_after=300), 0),
        (OutcomeUnknown("", status_code=503, retry_after=60), 0),
    ],
)
def test_which_replies_make_everybody_pause(budgets, error, pause):
    assert budgets().report(error) == pytest.approx(pause)
    other = budgets()
    assert other.status().paused_for == pytest.approx(pause)
    assert other.reserve(SELL).granted is (pause == 0)
    assert budgets(api_key="another").reserve(SELL).granted


def test_the_second_ban_pauses_twice_as_long_in_every_process(budgets, clock):
    budgets().report(IpBanned("", retry_after=120))
    clock.now += 121
    assert budgets().report(IpBanned("", retry_after=120)) == pytest.approx(241)
