"""Never a second sell by accident, whatever becomes of the answer, the process or the store."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from airflow_provider_3commas.api.errors import JournalUnusable
from airflow_provider_3commas.liquidation import liquidator, watch
from tests.operators.task_run import (
    HOSTILE_ANSWERS,
    LOST_ANSWERS,
    Killed,
    TaskRun,
    connect,
    kill_on_outcome,
    lose_answer,
)


class TestLostAnswers:
    @pytest.mark.parametrize("fault", LOST_ANSWERS)
    def test_applied_is_found_out_and_never_repeated(self, simulator, run, fault):
        lose_answer(simulator, fault, applied=True)
        account = run.attempt()
        assert account["id"] == simulator.account_id
        assert run.outcome == "reconciled"
        assert run.xcoms["liquidation"]["evidence"]
        assert len(simulator.sell_attempts()) == len(simulator.sells()) == 1

    @pytest.mark.parametrize("fault", HOSTILE_ANSWERS)
    def test_applied_is_found_out_whatever_the_answer_is(self, simulator, run, fault):
        lose_answer(simulator, fault, applied=True)
        run.attempt()
        assert run.outcome == "reconciled"
        run.attempt()
        assert len(simulator.sell_attempts()) == len(simulator.sells()) == 1
        json.dumps(run.store.get("liquidation"), allow_nan=False).encode()

    @pytest.mark.parametrize("fault", LOST_ANSWERS)
    def test_not_applied_fails_after_one_sell_and_says_what_was_seen(self, simulator, run, fault, clock):
        lose_answer(simulator, fault, applied=False)
        with pytest.raises(api.OutcomeUnknown, match="as it was before"):
            run.attempt()
        assert len(simulator.sell_attempts()) == 1
        assert clock.slept >= 120, "the account was watched for the whole time"

    @pytest.mark.parametrize("fault", LOST_ANSWERS)
    def test_not_applied_is_repeated_by_the_next_try_after_a_full_reconciliation(self, simulator, run, fault, clock):
        lose_answer(simulator, fault, applied=False)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        before = clock.slept
        reads_before = len(simulator.journal())
        run.attempt()
        assert run.outcome == "accepted"
        assert clock.slept - before >= 120
        assert len(simulator.journal()) - reads_before > 20
        assert (len(simulator.sell_attempts()), len(simulator.sells())) == (2, 1)

    def test_what_a_rate_limit_makes_it_wait_is_not_taken_from_the_time_to_watch(self, simulator, run):
        lose_answer(simulator, applied=True)
        headers = {"Retry-After": "300"}
        simulator.fault("status", path="load_balances", status=429, headers=headers, times=12)
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize("applied", [True, False])
    def test_without_a_baseline_an_unknown_outcome_is_never_repeated(self, simulator, applied):
        run = TaskRun(simulator, preflight=False)
        lose_answer(simulator, applied=applied)
        for _ in range(3):
            with pytest.raises(api.OutcomeUnknown, match="no baseline"):
                run.attempt()
            assert run.outcome == "unknown"
        assert len(simulator.sell_attempts()) == 1

    def test_an_account_that_cannot_be_read_afterwards_is_never_sold_again(self, simulator, run):
        lose_answer(simulator, applied=True)
        simulator.fault("status", path="load_balances", status=502, times=None)
        for _ in range(3):
            with pytest.raises(api.OutcomeUnknown, match="could not be read"):
                run.attempt()
        assert len(simulator.sell_attempts()) == 1
        simulator.clear_faults()
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_a_read_that_is_not_possible_at_the_moment_is_repeated_while_finding_out(self, simulator, run):
        lose_answer(simulator, applied=True)
        body = {"error": "unprocessable_entity"}
        simulator.fault("json", path="load_balances", status=422, body=body, times=2)
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_a_rate_limit_while_finding_out_is_waited_out(self, simulator, run):
        lose_answer(simulator, applied=True)
        simulator.fault("status", path="load_balances", status=429, headers={"Retry-After": "33"})
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_reads_that_are_refused_while_finding_out_end_loudly_and_keep_the_intent(self, simulator, run):
        lose_answer(simulator, applied=True)
        simulator.fault("json", path="load_balances", status=403, body={"error": "access_denied"})
        with pytest.raises(api.OutcomeUnknown, match="can't be read to find out"):
            run.attempt()
        assert run.phase == "intent"
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_a_bots_ordinary_trade_is_no_evidence(self, simulator, run):
        lose_answer(simulator, applied=False)
        poll, trades = watch._poll, ["ETH"]

        def poll_after_a_trade(*args):
            while trades:
                simulator.trade(trades.pop(), fraction="0.05")
            return poll(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(watch, "_poll", poll_after_a_trade)
            with pytest.raises(api.OutcomeUnknown, match="as it was before"):
                run.attempt()
        assert not trades
        run.attempt()
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize("scenario", ["slow", "dust", "stale-view"])
    def test_applied_is_found_out_however_the_account_behaves(self, simulator, scenario):
        simulator.reset(scenario)
        run = TaskRun(simulator)
        lose_answer(simulator, applied=True)
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sells()) == 1

    def test_applied_but_for_coins_that_cannot_be_sold_is_unknown_and_never_repeated(self, simulator):
        simulator.reset("unsellable")
        run = TaskRun(simulator)
        lose_answer(simulator, applied=True)
        for _ in range(2):
            with pytest.raises(api.OutcomeUnknown, match=r"not sold: 310 DOT, 6\.4 XMR"):
                run.attempt()
        assert run.xcoms["liquidation"]["evidence"]
        assert len(simulator.sell_attempts()) == 1


class TestCrashes:
    @pytest.mark.parametrize("phase", ["intent", "accepted"])
    @pytest.mark.parametrize("hook", ["before_set", "after_set"])
    def test_killed_around_a_write_of_the_journal_it_sells_once(self, simulator, run, phase, hook):
        def kill(value):
            if value["phase"] == phase:
                setattr(run.store, hook, lambda value: None)
                raise Killed

        setattr(run.store, hook, kill)
        with pytest.raises(Killed):
            run.attempt()
        run.attempt()
        assert len(simulator.sells()) == len(simulator.sell_attempts()) == 1
        assert run.xcoms["holdings_before"]["holdings"]

    def test_killed_before_the_outcome_is_pushed_it_is_recorded(self, simulator, run):
        run.xcom_push = kill_on_outcome
        with pytest.raises(Killed):
            run.attempt()
        run.xcom_push = lambda key, value: None
        run.attempt()
        assert run.outcome == "recorded"
        assert len(simulator.sell_attempts()) == 1

    @pytest.mark.parametrize("error", [BrokenPipeError(), RuntimeError("404 Task instance not found")])
    def test_a_process_that_airflow_has_replaced_sends_nothing(self, simulator, run, error):
        def stale(value):
            raise error

        run.store.before_set = stale
        with pytest.raises(type(error)):
            run.attempt()
        assert simulator.sell_attempts() == []

    def test_a_process_that_was_frozen_in_the_fence_asks_again(self, simulator, run, clock):
        def freeze(value):
            clock.now += 60
            run.store.after_set = lambda value: None
            run.store.before_set = stale

        def stale(value):
            raise RuntimeError("404 Task instance not found")

        run.store.after_set = freeze
        with pytest.raises(RuntimeError, match="404"):
            run.attempt()
        assert simulator.sell_attempts() == []

    def test_a_store_that_is_always_slow_sends_nothing(self, simulator, run, clock):
        def slow(value):
            clock.now += 6

        run.store.before_set = slow
        with pytest.raises(api.ConnectionFailed, match="Nothing was sent"):
            run.attempt()
        assert simulator.sell_attempts() == []

    def test_an_outcome_that_cannot_be_written_down_does_not_fail_the_liquidation(self, simulator, run):
        def broken(value):
            if value["phase"] == "accepted":
                raise OSError("store is gone")

        run.store.before_set = broken
        run.attempt()
        assert run.outcome == "accepted"
        run.store.before_set = lambda value: None
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_the_intent_is_the_last_thing_before_the_sell(self, simulator, run):
        counts = []
        run.store.before_set = lambda value: counts.append(len(simulator.journal()))
        run.attempt()
        assert counts == [0, 3, 4], "the beginning, three reads, the intent, the sell, the outcome"


class TestTheJournal:
    @pytest.mark.parametrize(
        "value",
        ["text", 5, [], {}, {"version": 1}, {"version": 99, "phase": "rejected"}, {"version": 1, "phase": "sold"}],
    )
    def test_a_journal_that_cannot_be_read_stops_the_task(self, simulator, run, value):
        run.store.set(liquidator.JOURNAL_KEY, value)
        with pytest.raises(AirflowFailException) as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__, JournalUnusable)
        assert simulator.journal() == []

    @pytest.mark.parametrize("phase", ["begun", "intent", "accepted", "rejected"])
    @pytest.mark.parametrize(
        ("field", "other", "says"),
        [
            ("account_id", 99, "account_id"),
            ("mode", "paper", "mode"),
            ("target", "USD", "target"),
            ("base_url", "https://api.3commas.io", "the API at https://api.3commas.io"),
            ("api_key_hash", "0123456789abcdef", "another API key"),
        ],
    )
    def test_a_journal_about_another_sale_stops_the_task(self, simulator, run, phase, field, other, says):
        run.attempt()
        journal = run.store.get(liquidator.JOURNAL_KEY)
        subject, unresolved = {**journal["subject"], field: other}, int(phase == "intent")
        run.store.set(liquidator.JOURNAL_KEY, {**journal, "phase": phase, "subject": subject, "unresolved": unresolved})
        with pytest.raises(AirflowFailException, match=says) as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__, JournalUnusable)
        assert len(simulator.sell_attempts()) == 1

    def test_no_secret_is_in_the_journal(self, simulator, run):
        run.attempt()
        [written] = [run.store.values[liquidator.JOURNAL_KEY]]
        for secret in (simulator.api_key, simulator.secret):
            assert secret not in written

    def test_a_run_that_is_late_by_now_still_returns_what_was_recorded(self, simulator, run):
        run.attempt()
        run.dag_run.run_type = "scheduled"
        run.dag_run.run_after = run.dag_run.run_after.subtract(days=3)
        run.clear()
        run.attempt()
        assert run.outcome == "recorded"
        assert len(simulator.sell_attempts()) == 1


def test_reconcile_for_has_to_outlast_the_timeouts(simulator, monkeypatch):
    connect(monkeypatch, simulator, timeout=100)
    run = TaskRun(simulator, reconcile_for=timedelta(seconds=120))
    with pytest.raises(AirflowFailException, match="130 s to connect and be answered"):
        run.attempt()
    assert simulator.journal() == []
