"""``stable_for``: an account has to stay settled for a while, because what a sell-all leaves alone may buy back."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api.errors import OutcomeUnknown
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import decide, needs_entities, on_failed_poll, on_timeout
from airflow_provider_3commas.settlement.state import Progress, Status, as_json, new_progress
from tests.fakes import ACCOUNT, START, row
from tests.settlement.readings import IDLE, SETTLED_ROWS, reading, reading_without, run

FLAT = reading(*SETTLED_ROWS)
BOUGHT = reading(row("BTC", "1.2"), row("ETH", "7", "0.3"))
FLAT_AGAIN = reading(row("BTC", "1.499"), row("DOGE", "21.7", "0.00003"))
TRADING = reading(*SETTLED_ROWS, entities={**IDLE, "active_smart_trades_count": 1})
TEN_MINUTES = Criteria.parse(stable_for=600)


def play(criteria: Criteria, *polls: tuple[float, object]) -> Progress:
    """Decide on readings at these seconds, failed polls (``None``) among them, none of which ends the wait."""
    progress = new_progress(START)
    for at, item in polls:
        if item is None:
            decision = on_failed_poll(criteria, progress, OutcomeUnknown("502"), ACCOUNT, START + at)
        else:
            decision = decide(criteria, progress, item, START + at)
        assert not decision.final, decision.message
        progress = msgspec.convert(json.loads(json.dumps(as_json(decision.progress))), Progress)
    return progress


def status(criteria: Criteria, progress: Progress, item: object, at: float) -> Status:
    return decide(criteria, progress, item, START + at).status


def every_minute(item: object, since: int, until: int) -> list[tuple[float, object]]:
    return [(at, item) for at in range(since, until + 1, 60)]


class TestBoth:
    def test_reads_and_time_have_to_be_enough(self):
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 540))
        assert status(TEN_MINUTES, progress, FLAT, 599) is Status.WAITING
        assert status(TEN_MINUTES, progress, FLAT, 600) is Status.SETTLED
        many = Criteria.parse(stable_for=600, stable_reads=20)
        assert status(many, play(many, *every_minute(FLAT, 0, 1080)), FLAT, 1140) is Status.SETTLED

    def test_without_it_two_reads_are_enough(self):
        assert run(Criteria.parse(), FLAT, FLAT).status is Status.SETTLED

    def test_one_read_is_never_enough(self):
        single = Criteria.parse(stable_for=1, stable_reads=1)
        progress = play(single, (0, FLAT))
        assert progress.stable_since == START
        assert status(single, progress, FLAT, 60) is Status.WAITING
        assert status(single, play(single, (0, FLAT), (60, FLAT)), FLAT, 120) is Status.SETTLED


class TestBreaks:
    @pytest.mark.parametrize(
        "broken",
        [BOUGHT, FLAT_AGAIN, TRADING, reading(total="1.5"), reading(*SETTLED_ROWS, total="1.6")],
        ids=["bought", "bought and sold in between", "a SmartTrade", "no rows", "does not add up"],
    )
    def test_break_starts_the_time_over(self, broken):
        begun = broken is FLAT_AGAIN
        after = FLAT_AGAIN if begun else FLAT
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 300), (360, broken), *every_minute(after, 420, 900))
        since = 360 if begun else 420
        assert status(TEN_MINUTES, progress, after, since + 599) is Status.WAITING
        assert status(TEN_MINUTES, progress, after, since + 600) is Status.SETTLED

    def test_break_is_said_and_remembered(self):
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 300), (360, BOUGHT))
        assert progress.settled_for == 300
        assert progress.left == "unsold: 7 ETH (0.3 BTC) (it had been settled for 5 min)"
        stalled = decide(TEN_MINUTES, progress, BOUGHT, START + 960)
        assert stalled.status is Status.STALLED
        assert "7 ETH (0.3 BTC) (it had been settled for 5 min)" in stalled.message
        assert "Signal Bots, which no call shows" in stalled.message
        assert "ignore_currencies" not in stalled.message

    def test_what_was_not_confirmed_was_not_settled(self):
        progress = play(TEN_MINUTES, (0, FLAT), (60, BOUGHT))
        assert progress.settled_for == 0

    def test_every_read_that_counts_is_confirmed_in_full(self):
        seen, progress = reading_without(FLAT), new_progress(START)
        for at in range(0, 600, 60):
            assert needs_entities(TEN_MINUTES, progress, seen, START + at)
            progress = decide(TEN_MINUTES, progress, FLAT, START + at).progress
        free = Criteria.parse(stable_for=600, require_no_entities=False)
        assert not needs_entities(free, progress, seen, START + 600)
        assert status(free, progress, seen, 600) is Status.SETTLED


class TestTimeInWhichNobodyLooked:
    def test_failed_polls_are_no_break_and_no_confirmation(self):
        progress = play(TEN_MINUTES, (0, FLAT), (60, FLAT), (120, None), (180, None))
        assert "60 s" not in on_timeout(TEN_MINUTES, progress, ACCOUNT, 700).message
        assert "for 1 min of 10 min without a break" in on_timeout(TEN_MINUTES, progress, ACCOUNT, 700).message
        progress = play(TEN_MINUTES, (0, FLAT), (60, FLAT), (120, None), *every_minute(FLAT, 180, 540))
        assert status(TEN_MINUTES, progress, FLAT, 600) is Status.SETTLED

    def test_long_pause_counts_for_half_at_most(self):
        away = play(TEN_MINUTES, (0, FLAT), (7200, FLAT))
        assert "for 5 min of 10 min" in on_timeout(TEN_MINUTES, away, ACCOUNT, 9000).message
        assert status(TEN_MINUTES, away, FLAT, 7499) is Status.WAITING
        assert status(TEN_MINUTES, away, FLAT, 7500) is Status.SETTLED

    def test_progress_of_an_older_version_counts_from_the_next_read(self):
        older = {"started_at": START, "reads": 3, "stable": 3, "target_amount": "1.5", "unchanged_since": START}
        progress = msgspec.convert(older, Progress)
        decision = decide(TEN_MINUTES, progress, FLAT, START + 5000)
        assert decision.status is Status.WAITING
        assert decision.progress.stable_since == START + 5000

    def test_clock_that_is_set_back_settles_nothing(self):
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 540))
        assert status(TEN_MINUTES, progress, FLAT, -3600) is Status.WAITING


class TestMessages:
    def test_waiting_says_for_how_long_of_how_long(self):
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 180))
        message = decide(TEN_MINUTES, progress, FLAT, START + 240).message
        assert (
            "has not settled yet: seen settled 2 of 2 times in a row, for 4 min of 10 min without a break." in message
        )

    def test_timeout_says_for_how_long_of_how_long(self):
        progress = play(TEN_MINUTES, (0, BOUGHT), *every_minute(FLAT, 60, 300))
        assert on_timeout(TEN_MINUTES, progress, ACCOUNT, 700).message == (
            f"Account {ACCOUNT} has not settled within 700 s: it was seen settled 2 of 2 times in a row, for 4 min of "
            "10 min without a break. Before that: unsold: 7 ETH (0.3 BTC)."
        )

    def test_timeout_after_a_buy_back_names_it(self):
        progress = play(TEN_MINUTES, *every_minute(FLAT, 0, 300), (360, BOUGHT))
        message = on_timeout(TEN_MINUTES, progress, ACCOUNT, 400).message
        assert "within 400 s: unsold: 7 ETH (0.3 BTC) (it had been settled for 5 min)." in message


@given(
    polls=st.lists(
        st.tuples(st.floats(1, 900), st.sampled_from([FLAT, FLAT, FLAT, BOUGHT, FLAT_AGAIN, TRADING, None])),
        min_size=2,
        max_size=30,
    ),
    stable_for=st.sampled_from([60, 600, 1500]),
)
def test_settles_only_after_that_long_of_settled_reads_that_are_not_far_apart(polls, stable_for):
    criteria, progress, at = Criteria.parse(stable_for=stable_for, max_failures=100), new_progress(START), START
    streak: list[float] = []
    for pause, item in polls:
        at += pause
        if item is None:
            decision = on_failed_poll(criteria, progress, OutcomeUnknown("502"), ACCOUNT, at)
        else:
            decision = decide(criteria, progress, item, at)
            settled = item in (FLAT, FLAT_AGAIN)
            same = decision.progress.target_amount == progress.target_amount
            streak = [*(streak if same else []), at] if settled else []
        progress = decision.progress
        if decision.status is Status.SETTLED:
            counted = sum(min(after - before, stable_for / 2) for before, after in itertools.pairwise(streak))
            assert counted >= stable_for - 1e-3
            assert streak[-1] - streak[0] >= stable_for - 1e-3
        if decision.final:
            return
