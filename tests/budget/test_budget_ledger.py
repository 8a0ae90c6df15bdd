"""The limits of the budget in virtual time: what a server sees, who waits how long, what a pause does."""

from __future__ import annotations

import heapq
import itertools
import random
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.budget import Priority, Reason, RequestBudget
from airflow_provider_3commas.budget.ledger import Ledger
from airflow_provider_3commas.budget.limits import LONGEST_PAUSE, MAX_WAITERS, PAUSE_SLACK, Limits

POLL, SELL = Priority.POLL, Priority.SELL
START = 1_750_000_000_000
MINUTE = 60_000
LIMITS = [5, 50, 100, 120]


def busiest(times: list[int], window: int) -> int:
    """Return the most requests in any sliding window; a fixed one is one of them."""
    times = sorted(times)
    return max((index + 1 - bisect_left(times, at - window + 1) for index, at in enumerate(times)), default=0)


class Scene:
    """Callers that share a ledger: each asks, sleeps as told, is a little late, and asks again."""

    def __init__(self, limit: int, seed: int = 0, late: int = 20) -> None:
        self.limits, self.ledger = Limits.of(limit), Ledger()
        self.random, self.late = random.Random(seed), late
        self.granted: list[tuple[int, Priority, int]] = []
        self.waits: list[int] = []
        self.asked = 0
        self._queue: list[tuple[int, int, Priority, int, int | None, int, int]] = []
        self._number = itertools.count()

    def add(self, priority: Priority, at: int, caller: int, requests: int) -> None:
        self._push(at, priority, caller, None, at, requests)

    def _push(self, at: int, *job) -> None:
        heapq.heappush(self._queue, (at, next(self._number), *job))

    def run(self, until: int) -> Scene:
        while self._queue and self._queue[0][0] < until:
            now, _, priority, caller, ticket, since, requests = heapq.heappop(self._queue)
            self.asked += 1
            answer = self.ledger.reserve(self.limits, priority, ticket, now)
            if answer.granted:
                self.granted.append((now, priority, caller))
                if priority is SELL:
                    self.waits.append(now - since)
                then = now + self.random.randint(5, 300)
                if requests > 1:
                    self._push(then, priority, caller, None, then, requests - 1)
            else:
                then = now + round(answer.wait * 1000) + self.random.randint(0, self.late)
                self._push(then, priority, caller, answer.ticket, since, requests)
        return self

    def times(self) -> list[int]:
        return [at for at, _, _ in self.granted]


def saturated(limit: int, pollers: int = 16, seed: int = 0) -> Scene:
    scene = Scene(limit, seed)
    for caller in range(pollers):
        scene.add(POLL, START + caller, caller, 10**9)
    return scene


# --- what the server sees --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    limit=st.sampled_from(LIMITS),
    steps=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 50), st.integers(0, 5_000), st.integers(0, 70_000)),
            st.sampled_from([SELL, POLL]),
            st.booleans(),
            st.integers(0, 2_000),
        ),
        min_size=100,
        max_size=500,
    ),
)
def test_no_window_of_the_server_holds_more_than_its_limit_though_requests_arrive_late(limit, steps):
    ledger, limits, now, arrivals, tickets = Ledger(), Limits.of(limit), START, [], []
    for pause, priority, returns, delay in steps:
        now += pause
        answer = ledger.reserve(limits, priority, tickets.pop() if returns and tickets else None, now)
        if answer.granted:
            arrivals.append(now + delay)
        elif answer.ticket is not None:
            tickets.append(answer.ticket)
    assert busiest(arrivals, MINUTE) <= limit


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), limit=st.sampled_from(LIMITS))
def test_instances_that_share_a_file_keep_the_limit_together(tmp_path_factory, seed, limit):
    clock = [START / 1000]
    path = tmp_path_factory.mktemp("budget") / "budget.sqlite"
    budgets = [
        RequestBudget("key", "https://api.3commas.io", requests_per_minute=limit, path=path, clock=lambda: clock[0])
        for _ in range(3)
    ]
    chance, granted, tickets = random.Random(seed), [], {}
    for _ in range(3 * limit):
        clock[0] += chance.choice([0, 0, 0.001, 0.2, 1.5])
        budget, priority = chance.choice(budgets), chance.choice([SELL, POLL])
        answer = budget.reserve(priority, tickets.pop((budget, priority), None))
        if answer.granted:
            granted.append(int(clock[0] * 1000))
        else:
            tickets[budget, priority] = answer.ticket
    for budget in budgets:
        budget.close()
    assert 0 < busiest(granted, MINUTE) <= limit


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 3_000), st.integers(-400_000, 0)), min_size=150, max_size=300))
def test_a_clock_that_is_set_back_lets_no_more_through(steps):
    ledger, limits, real, shift, granted = Ledger(), Limits.of(50), START, 0, []
    for pause, step in steps:
        real += pause
        shift += step if step < -300_000 else 0
        if ledger.reserve(limits, SELL, None, real + shift).granted:
            granted.append(real)
    assert busiest(granted, MINUTE) <= 50


def test_a_clock_that_is_set_back_does_not_prolong_a_pause():
    ledger, limits = Ledger(), Limits.of(100)
    ledger.advance(START, limits)
    ledger.pause(300, START, ban=False)
    answer = ledger.reserve(limits, SELL, None, START - 3_600_000)
    assert answer.wait == pytest.approx(301)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(3))
def test_polls_alone_use_85_of_100_requests_and_never_more_than_their_share(limit, seed):
    scene = saturated(limit, seed=seed).run(START + 10 * MINUTE)
    first_three = sum(at < START + 3 * MINUTE for at in scene.times())
    # One of the five requests of the starter plan is a fifth: what the polls may use is used.
    allowed = 0.85 * limit if limit > 5 else 4
    assert first_three >= 3 * allowed
    assert len(scene.granted) >= 10 * allowed
    assert busiest(scene.times(), scene.limits.effective_window) == scene.limits.poll_cap
    assert busiest(scene.times(), MINUTE) <= limit


@pytest.mark.parametrize("limit", LIMITS)
def test_sells_may_use_what_polls_may_not(limit):
    ledger, limits = Ledger(), Limits.of(limit)
    while ledger.reserve(limits, POLL, None, START).granted:
        pass
    left = limits.sell_cap - len(ledger.granted)
    assert left >= 1
    answers = [ledger.reserve(limits, SELL, None, START).granted for _ in range(left + 1)]
    assert answers == [True] * left + [False]


# --- who waits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_polls_are_spread_evenly_over_the_minute_instead_of_beating_in_step(seed):
    scene = saturated(100, seed=seed).run(START + 6 * MINUTE)
    times = [at for at in scene.times() if at >= START + 3 * MINUTE]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) < 5_000


@pytest.mark.parametrize("pollers", [16, 300])
def test_polls_are_served_in_turn(pollers):
    scene = saturated(100, pollers).run(START + 10 * MINUTE)
    counts = [sum(caller == each for _, _, caller in scene.granted) for each in range(pollers)]
    assert min(counts) >= 0.8 * len(scene.granted) / pollers - 1
    assert max(counts) <= 1.2 * len(scene.granted) / pollers + 1


def test_who_waits_asks_rarely():
    scene = saturated(100, 16).run(START + 10 * MINUTE)
    assert scene.asked < 3 * len(scene.granted)


@pytest.mark.parametrize("spacing", [6, 10, 20, 60])
@pytest.mark.parametrize("start", [10, 30, 70])
@pytest.mark.parametrize("seed", range(3))
def test_a_sell_now_and_then_does_not_wait_though_polls_saturate_the_budget(spacing, start, seed):
    scene = saturated(100, seed=seed)
    for sell in range(50):
        at = START + (start + sell * spacing) * 1000 + scene.random.randint(0, 999)
        scene.add(SELL, at, 1000 + sell, 4)
    scene.run(START + (start + 51 * spacing) * 1000)
    assert len(scene.waits) == 200
    assert max(scene.waits) < 1_000
    assert busiest(scene.times(), MINUTE) <= 100


@pytest.mark.parametrize("at", [0, 30, 90, 200])
@pytest.mark.parametrize("seed", range(3))
def test_a_burst_of_sells_gets_the_budget_until_it_is_through(at, seed):
    scene = saturated(100, seed=seed)
    for sell in range(50):
        scene.add(SELL, START + at * 1000, 1000 + sell, 4)
    scene.run(START + (at + 240) * 1000)
    sells = [when for when, priority, _ in scene.granted if priority is SELL]
    meanwhile = [priority for when, priority, _ in scene.granted if sells[0] <= when <= sells[-1]]
    assert len(sells) == 200
    assert meanwhile.count(SELL) >= 0.8 * len(meanwhile)
    # 200 requests in spans of 62 s with at most 98 each: through with the third.
    assert sells[-1] - sells[0] <= 2 * scene.limits.effective_window + 2_000


def test_a_poll_that_was_killed_while_waiting_holds_up_nobody_for_long():
    ledger, limits = Ledger(), Limits.of(100)
    while ledger.reserve(limits, POLL, None, START).granted:
        pass
    killed = [ledger.reserve(limits, POLL, None, START) for _ in range(200)]
    assert all(answer.ticket for answer in killed)
    assert ledger.reserve(limits, POLL, None, START + limits.effective_window + limits.max_recheck).granted


def test_a_sell_that_was_killed_while_waiting_holds_up_polls_only_until_its_turn_is_over():
    ledger, limits = Ledger(), Limits.of(100)
    while (answer := ledger.reserve(limits, SELL, None, START)).granted:
        pass
    late = START + round(answer.wait * 1000) + limits.turn_grace
    assert not ledger.waiters[0].turn_at + limits.turn_grace > late
    ledger.advance(late, limits)
    assert ledger.waiters == []


def test_polls_stand_back_while_a_sell_waits_even_after_a_pause():
    ledger, limits = Ledger(), Limits.of(100)
    ledger.pause(300, START, ban=False)
    sell = ledger.reserve(limits, SELL, None, START)
    end = START + 300_000 + PAUSE_SLACK
    poll = ledger.reserve(limits, POLL, None, end)
    assert poll.reason is Reason.SELL
    assert ledger.reserve(limits, SELL, sell.ticket, end + 5).granted
    assert ledger.reserve(limits, POLL, poll.ticket, end + 6).granted


def test_the_queue_is_bounded_for_polls_and_leaves_room_for_sells():
    ledger, limits = Ledger(), Limits.of(5)
    answers = [ledger.reserve(limits, POLL, None, START) for _ in range(MAX_WAITERS + 20)]
    assert answers[-1].ticket is None
    assert 0 < answers[-1].wait <= limits.max_recheck / 1000
    while (answer := ledger.reserve(limits, SELL, None, START)).granted:
        pass
    assert answer.ticket is not None


def test_who_comes_back_keeps_its_place_before_newcomers():
    limits = Limits.of(100)
    ledger = Ledger(granted=[START + 500 * index for index in range(limits.poll_cap)], seen=START + 50_000)
    first = ledger.reserve(limits, POLL, None, START + limits.effective_window - 10)
    one_is_free = START + limits.effective_window
    newcomer = ledger.reserve(limits, POLL, None, one_is_free)
    assert (first.wait, newcomer.wait) == (pytest.approx(0.01), pytest.approx(0.5, abs=0.2))
    assert ledger.reserve(limits, POLL, first.ticket, one_is_free + 1).granted


# --- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [SELL, POLL])
def test_during_a_pause_nothing_is_granted_and_afterwards_it_is(priority):
    ledger, limits = Ledger(), Limits.of(100)
    assert ledger.pause(300, START, ban=False) == pytest.approx(301)
    answer = ledger.reserve(limits, priority, None, START + 100_000)
    assert (answer.reason, answer.wait) == (Reason.PAUSE, pytest.approx(201))
    assert ledger.reserve(limits, priority, answer.ticket, START + 301_000).granted


def test_a_shorter_pause_does_not_end_a_longer_one():
    ledger = Ledger()
    ledger.pause(300, START, ban=False)
    assert ledger.pause(5, START + 1_000, ban=False) == pytest.approx(300)


def test_after_a_pause_the_waiting_polls_do_not_come_all_at_once():
    scene = saturated(100, 300)
    scene.ledger.pause(300, START, ban=False)
    scene.run(START + 420_000)
    assert busiest(scene.times(), 1_000) <= scene.limits.burst + 8
    assert busiest(scene.times(), MINUTE) <= 100


def test_bans_double_up_to_three_days_and_are_forgotten_after_three_quiet_ones():
    ledger, now, pauses = Ledger(), START, []
    for _ in range(13):
        pauses.append(round(ledger.pause(120, now, ban=True)) - 1)
        now = ledger.paused_until
    assert pauses[:4] == [120, 240, 480, 960]
    assert pauses[-1] == LONGEST_PAUSE // 1000
    now += LONGEST_PAUSE
    assert round(ledger.pause(120, now, ban=True)) - 1 == 120


def test_a_long_ban_is_taken_at_its_word():
    assert Ledger().pause(7_200, START, ban=True) == pytest.approx(7_201)


def test_several_replies_to_requests_sent_before_a_ban_count_as_one_ban():
    ledger = Ledger()
    for index in range(16):
        ledger.pause(120, START + index, ban=True)
    assert ledger.bans == 1
    assert ledger.paused_until == START + 15 + 120_000 + PAUSE_SLACK


# --- the limit as a connection may hold it ---------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "limit"), [(5, 5), ("50", 50), (" 120 ", 120)])
def test_the_limit_may_come_as_text(value, limit):
    assert Limits.of(value).limit == limit


@pytest.mark.parametrize("value", [0, 1, -5, 10_001, True, 1.5, None, "", "many", "1e2", "\u0665\u0660"])
def test_a_limit_that_makes_no_sense_is_refused(value):
    with pytest.raises(ConfigurationError, match="requests_per_minute must be a whole number"):
        Limits.of(value)
