"""The budget as a process sees it, its stores in trouble, and the two gates."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import airflow_provider_3commas
from airflow_provider_3commas.api import (
    ConfigurationError,
    IpBanned,
    OutcomeUnknown,
    PlanLimitReached,
    RateLimitExceeded,
    ThreeCommasError,
)
from airflow_provider_3commas.budget import (
    BudgetTimeout,
    Priority,
    RaisingGate,
    Reason,
    RequestBudget,
    SleepingGate,
    WaitForBudget,
    shared_budget,
    store,
)
from airflow_provider_3commas.budget import (
    budget as budget_module,
)
from tests.requirements import require_module

POLL, SELL = Priority.POLL, Priority.SELL
REAL = "https://api.3commas.io"
START = 1_750_000_000.0


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budgets(tmp_path, clock):
    """Make budgets that share a file, and close them."""
    made = []

    def make(api_key: str = "key", base_url: str = REAL, **options) -> RequestBudget:
        options = {"path": tmp_path / "home" / "budget.sqlite", "clock": clock, **options}
        made.append(RequestBudget(api_key, base_url, **options))
        return made[-1]

    yield make
    for budget in made:
        budget.close()


def use_up(budget: RequestBudget, priority: Priority) -> int:
    granted = 0
    while (answer := budget.reserve(priority)).granted:
        granted += 1
    if answer.ticket is not None:
        budget.withdraw(answer.ticket)
    return granted


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


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
    root = Path(airflow_provider_3commas.__file__).parents[1]
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(
        [*command, str(tmp_path / "budget.sqlite")],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_it_brings_no_store_and_no_airflow():
    root = Path(airflow_provider_3commas.__file__).parents[1]
    script = (
        "import sys, airflow_provider_3commas.budget; "
        "print([name for name in ('airflow', 'redis', 'sqlite3', 'requests', 'asyncio') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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


# --- a store in trouble ----------------------------------------------------------------------------------------------


def still_counts(budget: RequestBudget, caplog, *words: str) -> None:
    """Check that sells go on, are counted, and that one warning said why nothing is shared."""
    assert budget.reserve(SELL).granted
    assert use_up(budget, SELL) <= 97
    assert len(warnings(caplog)) == 1
    assert all(word in warnings(caplog)[0] for word in words)
    assert budget.status().store_error in warnings(caplog)[0]


def test_a_path_that_is_a_directory(budgets, tmp_path, caplog):
    still_counts(budgets(path=tmp_path), caplog, str(tmp_path), "unable to open")


def test_a_directory_that_cannot_be_made(budgets, tmp_path, caplog):
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


def test_a_file_that_breaks_while_it_is_in_use(budgets, tmp_path, caplog):
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


def test_a_full_disk(budgets, caplog):
    budget = budgets(requests_per_minute=2_000)
    assert sum(budget.reserve(SELL).granted for _ in range(100)) == 100
    budget._store._connection.execute("PRAGMA max_page_count = 1")
    assert use_up(budget, SELL) == budget.limits.sell_cap - 100
    assert len(warnings(caplog)) == 1
    assert "full" in warnings(caplog)[0]


def test_a_file_that_is_locked_for_too_long(budgets, tmp_path, caplog, monkeypatch):
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


def test_many_that_make_the_file_at_the_same_moment(budgets, tmp_path):
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


def test_an_option_that_makes_redis_answer_with_text_changes_nothing(redis_url):
    budget = RequestBudget("key", REAL, url=f"{redis_url}?decode_responses=True", requests_per_minute=5)
    assert use_up(budget, SELL) == 5
    assert (budget.status().used, budget.status().store_error) == (5, None)
    budget.close()


def test_an_option_that_redis_does_not_know_counts_alone(caplog):
    require_module("redis", extra="redis")
    budget = RequestBudget("key", REAL, url="redis://:secret@127.0.0.1:1/0?colour=blue")
    assert budget.reserve(SELL).granted
    assert "colour" in warnings(caplog)[0]
    assert "secret" not in caplog.text


# --- what replies mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (RateLimitExceeded("", retry_after=7), 8),
        (RateLimitExceeded("", retry_after=0), 1),
        (RateLimitExceeded("", retry_after=300), 301),
        (RateLimitExceeded(""), 301),
        (IpBanned("", retry_after=120), 601),
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
    clock.now += 601
    assert budgets().report(IpBanned("", retry_after=120)) == pytest.approx(1201)


# --- gates -----------------------------------------------------------------------------------------------------------


class Observer:
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def admitted(self, priority, waited, remaining):
        self.heard.append(("admitted", priority, round(waited), remaining))

    def waiting(self, priority, seconds, reason):
        self.heard.append(("waiting", priority, round(seconds), reason))

    def paused(self, seconds):
        self.heard.append(("paused", round(seconds)))


def test_a_task_sleeps_until_it_may_send(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget, observer = budgets(), Observer()
    use_up(budget, SELL)
    SleepingGate(budget, SELL, sleep=clock.sleep, observer=observer).admit()
    assert clock.now == pytest.approx(START + 62)
    assert max(clock.naps) <= 15
    assert observer.heard[0] == ("waiting", SELL, 15, Reason.BUDGET)
    assert observer.heard[-1] == ("admitted", SELL, 62, 97)
    assert caplog.messages == [
        "Request not sent yet: the request budget of this API key is used up; asking again in 15.0 s.",
        "Request sent after waiting 62 s.",
    ]


def test_a_short_wait_is_not_told(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget = budgets()
    use_up(budget, SELL)
    clock.now += 59
    SleepingGate(budget, SELL, sleep=clock.sleep).admit()
    assert clock.naps == [pytest.approx(3)]
    assert caplog.messages == []


def test_a_sell_waits_for_a_pause_to_end_and_says_how_long_every_minute(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget, observer = budgets(), Observer()
    gate = SleepingGate(budget, SELL, sleep=clock.sleep, logger=logging.getLogger("the.task"), observer=observer)
    gate.report(RateLimitExceeded("", status_code=429, retry_after=300))
    gate.admit()
    assert clock.now == pytest.approx(START + 301)
    assert observer.heard[0] == ("paused", 301)
    told = [record.getMessage() for record in caplog.records if record.name == "the.task"]
    assert told[0] == "Request not sent yet: 3Commas told this API key to pause; 301 s left."
    assert "241 s left" in told[1]
    assert len(told) == 5 + 1


def test_waiting_ends_with_the_callers_time(budgets, clock):
    budget = budgets()
    use_up(budget, SELL)
    end = START + 20
    gate = SleepingGate(budget, SELL, time_left=lambda: end - clock.now, sleep=clock.sleep)
    with pytest.raises(BudgetTimeout, match="over after 20 s") as raised:
        gate.admit()
    assert isinstance(raised.value, ThreeCommasError)
    assert clock.now == pytest.approx(end)
    assert budget.status().waiting == 0


def test_no_time_left_does_not_matter_while_there_is_budget(budgets, clock):
    SleepingGate(budgets(), SELL, time_left=lambda: -1.0, sleep=clock.sleep).admit()


def test_a_trigger_is_told_how_long_to_sleep_and_keeps_its_place(budgets, clock, monkeypatch):
    ticks = [500.0]
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: ticks[0])
    budget, observer = budgets(), Observer()
    use_up(budget, SELL)
    clock.now += 55
    gate = RaisingGate(budget, POLL, observer=observer)
    with pytest.raises(WaitForBudget, match="used up") as raised:
        gate.admit()
    wait = raised.value
    assert (wait.seconds, wait.retry_after, wait.reason) == (pytest.approx(7), wait.seconds, Reason.BUDGET)
    assert budget.status().waiting == 1
    newcomer = budgets().reserve(POLL)
    assert newcomer.ticket > 1
    clock.now += wait.seconds
    ticks[0] += wait.seconds
    gate.admit()
    assert budget.status().waiting == 1
    assert [heard[0] for heard in observer.heard] == ["waiting", "admitted"]


def test_callers_of_one_trigger_gate_each_have_a_place(budgets):
    budget = budgets()
    use_up(budget, SELL)
    gate = RaisingGate(budget, POLL)
    for _ in range(3):
        with pytest.raises(WaitForBudget):
            gate.admit()
    assert budget.status().waiting == 3


def test_a_gate_without_observer_passes_replies_on(budgets):
    budget = budgets()
    RaisingGate(budget, POLL).report(IpBanned("", status_code=418))
    assert budget.status().paused_for == pytest.approx(601)


def test_threads_share_a_sleeping_gate(budgets):
    budget = budgets(clock=None, window_seconds=0.5, requests_per_minute=20)
    gate = SleepingGate(budget, SELL)
    threads = [threading.Thread(target=gate.admit) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert budget.status().waiting == 0
