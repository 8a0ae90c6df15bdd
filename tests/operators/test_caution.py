"""Caution does not cost the liquidation: what will pass is waited out, what says little does not block."""

from __future__ import annotations

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from tests.operators.task_run import TaskRun, lose_answer

TOO_MANY = {"action": "json", "status": 429, "body": {"error": "Too many requests"}, "headers": {"Retry-After": "2"}}


class TestRateLimit:
    @pytest.mark.parametrize("path", ["accounts/32402783", "account_table_data", "active_trading_entities"])
    def test_a_rate_limit_of_a_read_is_waited_out(self, simulator, run, path):
        simulator.fault(**TOO_MANY, path=path)
        run.attempt()
        assert run.outcome == "accepted"
        assert len(simulator.sell_attempts()) == 1

    def test_a_rate_limit_of_the_sell_all_is_waited_out_and_the_fence_passed_again(self, simulator, run):
        asked = []
        run.state = lambda: asked.append(len(simulator.sell_attempts())) or "running"
        simulator.fault(**TOO_MANY, path="sell_all", times=2)
        run.attempt()
        assert (len(simulator.sell_attempts()), len(simulator.sells())) == (3, 1)
        assert asked == [0, 1, 2]

    def test_a_rate_limit_of_the_sell_all_ends_the_try_after_five_requests(self, simulator, run):
        simulator.fault(**TOO_MANY, path="sell_all", times=None)
        with pytest.raises(api.RateLimitExceeded):
            run.attempt()
        assert len(simulator.sell_attempts()) == 5
        assert (run.outcome, run.phase) == ("rejected", "rejected")

    @pytest.mark.parametrize("path", ["accounts/32402783", "sell_all"])
    def test_a_rate_limit_that_would_end_after_the_run_is_late_refuses(self, simulator, run, path):
        run.dag_run.run_after = pendulum.now("UTC").subtract(minutes=59)
        simulator.fault("status", path=path, status=429, headers={"Retry-After": "300"}, times=None)
        with pytest.raises(AirflowFailException, match="later than it may sell"):
            run.attempt()
        assert simulator.sells() == []

    def test_a_ban_is_not_tested_again(self, simulator, run):
        simulator.fault("status", path="accounts", status=418, times=None)
        with pytest.raises(api.IpBanned):
            run.attempt()
        assert len(simulator.journal()) == 1


class TestReads:
    @pytest.mark.parametrize(("status", "error"), [(503, "unknown_error"), (422, "unprocessable_entity")])
    def test_reads_that_fail_for_minutes_do_not_lose_the_liquidation(self, simulator, run, clock, status, error):
        simulator.fault("json", path="account_table_data", status=status, body={"error": error}, times=8)
        run.attempt()
        assert clock.slept > 60
        assert run.outcome == "accepted"

    def test_reads_that_always_fail_end_the_try_with_nothing_sent(self, simulator, run):
        simulator.fault("status", path="account_table_data", status=503, times=None)
        with pytest.raises(api.PreflightFailed, match="Nothing was sent"):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert (run.outcome, run.xcoms["liquidation"]["sent_at"]) == ("not_sent", None)

    def test_retries_of_reads_end_when_the_run_is_late(self, simulator, run, clock):
        run.dag_run.run_after = pendulum.now("UTC").subtract(minutes=59, seconds=30)
        simulator.fault("status", path="account_table_data", status=503, times=None)
        with pytest.raises(api.PreflightFailed):
            run.attempt()
        assert clock.slept < 31

    def test_a_connection_that_does_not_come_about_is_tried_again(self, simulator, run):
        from airflow_provider_3commas.api import connections

        connect, failures = connections._HttpConnection.connect, [OSError("refused")] * 2

        def flaky(self):
            if failures:
                raise failures.pop()
            connect(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connections._HttpConnection, "connect", flaky)
            run.attempt(preflight=False)
        assert len(simulator.sells()) == 1


class TestBestEffort:
    def test_best_effort_sells_without_a_baseline_if_reads_keep_failing(self, simulator, run):
        simulator.fault("status", path="account_table_data", status=503, times=None)
        run.attempt(preflight="best_effort")
        assert len(simulator.sells()) == 1
        assert "holdings_before" not in run.xcoms

    def test_best_effort_has_a_baseline_if_the_account_can_be_read(self, simulator, run):
        run.attempt(preflight="best_effort")
        assert run.xcoms["holdings_before"]["complete"]

    def test_best_effort_still_refuses_a_locked_account(self, simulator, run):
        simulator.reset("locked")
        with pytest.raises(AirflowFailException, match="has locked it"):
            run.attempt(preflight="best_effort")
        assert simulator.sell_attempts() == []

    def test_a_lost_answer_without_a_baseline_is_never_repeated(self, simulator, run):
        simulator.fault("status", path="account_table_data", status=503, times=None)
        lose_answer(simulator, applied=False)
        for _ in range(2):
            with pytest.raises(api.OutcomeUnknown):
                run.attempt(preflight="best_effort")
        assert len(simulator.sell_attempts()) == 1


ROW = {"currency_code": "ETH", "position": "8.25", "on_orders": "0", "btc_value": "0.32", "usd_value": "20000"}
ODD_ROWS = [
    {**ROW, "currency_code": None},
    {**ROW, "current_price": ""},
    {**ROW, "position": "NaN"},
    {**ROW, "btc_value": None},
    {**ROW, "position": "1e999999999"},
]


class TestOddAnswers:
    @pytest.mark.parametrize("row", ODD_ROWS, ids=range(len(ODD_ROWS)))
    def test_a_row_that_cannot_be_read_does_not_block(self, simulator, run, capsys, row):
        body = [ROW, row]
        simulator.fault("json", path="account_table_data", when="after", status=201, body=body, times=None)
        run.attempt()
        assert len(simulator.sells()) == 1
        assert run.xcoms["holdings_before"]["complete"] is False
        assert "view of the account is incomplete" in capsys.readouterr().out

    def test_a_null_count_does_not_block(self, simulator, run):
        counts = {"data": {"active_bots_count": None, "active_deals_count": 2}}
        simulator.fault("json", path="active_trading_entities", when="after", status=200, body=counts, times=None)
        run.attempt()
        assert len(simulator.sells()) == 1
        assert run.xcoms["holdings_before"]["complete"] is False
        assert run.xcoms["holdings_before"]["entities"] == counts["data"]

    def test_an_unknown_state_of_the_keys_does_not_block_and_is_logged(self, simulator, run, capsys):
        simulator.change_account(api_keys_state="expiring")
        run.attempt()
        assert len(simulator.sells()) == 1
        assert "'expiring'" in capsys.readouterr().out

    @pytest.mark.parametrize("state", ["expired", " Invalid "])
    def test_a_state_of_the_keys_that_is_known_to_be_useless_blocks(self, simulator, state):
        simulator.change_account(api_keys_state=state)
        with pytest.raises(AirflowFailException, match="rejects the API keys"):
            TaskRun(simulator).attempt()
        assert simulator.sell_attempts() == []

    def test_a_text_in_place_of_a_bool_does_not_block(self, simulator, run):
        simulator.change_account(fields={"is_locked": "false", "api_key_invalid": "false"})
        run.attempt()
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize("field", ["x", "btc_amount"])
    def test_an_absurd_number_in_the_answer_fills_no_memory(self, simulator, run, field):
        body = f'{{"id": {simulator.account_id}, "market_code": "binance_us", "{field}": 1e500000000}}'
        simulator.fault("json", path="sell_all", when="after", status=201, body=body)
        assert run.attempt()["id"] == simulator.account_id
        assert len(simulator.sells()) == 1
