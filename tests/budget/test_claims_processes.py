"""Claims between processes that ask at the same instant, with a server that dies, and over any history."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_provider_3commas.budget import AccountTaken, Claimant, Outcome, RequestBudget
from tests.budget.budgets import REAL, Clock, python_environment, warnings
from tests.budget.claiming import TASK_A, TASK_B, WITHIN, refused
from tests.budget.redis_servers import redis_server
from tests.fakes import ACCOUNT

pytestmark = pytest.mark.slow

ROUNDS = 150

#: Claim a new account at each instant that is named, and tell who won.
WORKER = """
import sys, time
from pathlib import Path
from airflow_provider_3commas.budget import AccountTaken, Claimant, RequestBudget

name, key, url, path = sys.argv[1:]
budget = RequestBudget(key, "https://api.3commas.io", url=url or None, path=Path(path))
budget.claims.holder(0)
print("ready", flush=True)
for account, line in enumerate(sys.stdin):
    while time.time() < float(line):
        pass
    try:
        budget.claims.claim(account, Claimant(name, 1), 600)
    except AccountTaken as error:
        print(error.claim.task, flush=True)
    else:
        print(name, flush=True)
print(budget.claims.reach.name, flush=True)
"""


def start(name: str, *arguments: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, name, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=python_environment(),
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_of_two_processes_that_claim_an_account_at_the_same_instant_exactly_one_wins(request, tmp_path, kind):
    url = request.getfixturevalue("module_redis_url") if kind == "redis" else ""
    key, path = uuid.uuid4().hex, tmp_path / "budget.sqlite"
    pair = [start(name, key, url, str(path)) for name in ("first", "second")]
    winners = []
    for _ in range(ROUNDS):
        instant = time.time() + 0.005
        for process in pair:
            process.stdin.write(f"{instant!r}\n")
            process.stdin.flush()
        answers = {process.stdout.readline().strip() for process in pair}
        # Both name the same one: the winner itself, and the loser the one that it found.
        assert len(answers) == 1
        winners.append(answers.pop())
    assert winners.count("first") + winners.count("second") == ROUNDS
    # Otherwise they have not met, and nothing was shown.
    assert set(winners) == {"first", "second"}
    ends = [process.communicate(timeout=60)[0].strip() for process in pair]
    assert ends == ["MACHINE"] * 2
    assert [process.returncode for process in pair] == [0, 0]


def test_redis_that_dies_in_between_is_told_once_and_holds_no_sell_up(tmp_path, caplog):
    with redis_server(tmp_path) as (server, url):
        claims = RequestBudget(uuid.uuid4().hex, REAL, url=url).claims
        claims.claim(ACCOUNT, TASK_A, WITHIN)
        server.kill()
        server.wait()
        claims.claim(ACCOUNT, TASK_A, WITHIN)
        claims.sold(ACCOUNT, TASK_A)
        assert refused(claims, TASK_B).claim.outcome is Outcome.SOLD
        claims.claim(ACCOUNT + 1, TASK_B, WITHIN)
    assert len(warnings(caplog)) == 1
    assert "redis://127.0.0.1" in warnings(caplog)[0]
    assert "a-pass-word" not in caplog.text


# --- any history -----------------------------------------------------------------------------------------------------

TASKS = st.sampled_from(["a", "b", "c"])


class Histories(RuleBasedStateMachine):
    """Tasks that claim one account, with a clock that is set back now and then: beside what a human would note down.

    ``held`` has, for each task, its open claim (try and true time); ``sold`` the true time of its last sale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.back = 0.0
        self.claims = RequestBudget(uuid.uuid4().hex, REAL, url="memory://", clock=self.clock).claims
        self.held: dict[str, tuple[int, float]] = {}
        self.sold: dict[str, tuple[int, float]] = {}

    def true_time(self) -> float:
        return self.clock.now + self.back

    def others_since(self, task: str) -> list[float]:
        """Return how long ago each of the others' claims and sales was, in truth."""
        notes = [*self.held.items(), *self.sold.items()]
        return [self.true_time() - at for name, (_, at) in notes if name != task]

    @rule(seconds=st.one_of(st.integers(0, 120), st.sampled_from([599, 600, 601])))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule(seconds=st.integers(1, 60))
    def the_clock_is_set_back(self, seconds):
        self.clock.now -= seconds
        self.back += seconds

    @rule(task=TASKS, try_number=st.integers(1, 3), checks_first=st.booleans())
    def somebody_claims(self, task, try_number, checks_first):
        claimant = Claimant(task, try_number)
        later = any(notes[task][0] > try_number for notes in (self.held, self.sold) if task in notes)
        since = self.others_since(task)
        try:
            if checks_first:
                self.claims.check(ACCOUNT, claimant, WITHIN)
            self.claims.claim(ACCOUNT, claimant, WITHIN)
        except AccountTaken as error:
            if error.until is None:
                assert later
            else:
                # Nobody is refused for longer than the clock was set back in all.
                assert any(ago < WITHIN + self.back for ago in since)
        else:
            assert not later
            # The promise: nobody else has had the account within that time.
            assert all(ago >= WITHIN for ago in since)
            self.held[task] = try_number, self.true_time()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), end=st.sampled_from(["sold", "unknown", "release"]))
    def it_ends(self, data, end):
        task = data.draw(st.sampled_from(sorted(self.held)))
        try_number, _ = self.held[task]
        getattr(self.claims, end)(ACCOUNT, Claimant(task, try_number))
        if end != "unknown":
            del self.held[task]
        if end == "sold":
            self.sold[task] = try_number, self.true_time()

    @rule(task=TASKS)
    def somebody_without_a_claim_gives_one_up(self, task):
        if task not in self.held:
            self.claims.release(ACCOUNT, Claimant(task, 3))

    @invariant()
    def somebody_holds_it_if_anybody_does(self):
        assert (self.claims.holder(ACCOUNT) is not None) == bool(self.held or self.sold)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
