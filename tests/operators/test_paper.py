"""Paper is proven by the account: the mode header is not documented, and has been reported to be ignored."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from tests.fakes import ACCOUNT
from tests.operators.task_run import TaskRun, connect

REAL, PAPER = ACCOUNT, 32402999
PREFLIGHTS = [True, "best_effort", False]


@pytest.mark.parametrize("preflight", PREFLIGHTS)
class TestPaper:
    @pytest.fixture(autouse=True)
    def paper(self, simulator, monkeypatch):
        connect(monkeypatch, simulator, mode="paper")

    def test_sells_a_paper_account(self, simulator, preflight):
        TaskRun(simulator, account_id=PAPER).attempt(preflight=preflight)
        assert [sell["account_id"] for sell in simulator.sells()] == [PAPER]

    def test_never_sells_a_real_account_though_the_header_is_ignored(self, simulator, preflight):
        simulator.reset("mode-ignored")
        run = TaskRun(simulator, account_id=REAL)
        with pytest.raises(AirflowFailException, match="not proven to be a paper account"):
            run.attempt(preflight=preflight)
        assert simulator.sell_attempts() == []

    @pytest.mark.parametrize("market_code", [None, "", "Paper_Trading", "binance"])
    def test_needs_the_market_code_to_the_letter(self, simulator, preflight, market_code):
        simulator.change_account(PAPER, fields={"market_code": market_code})
        with pytest.raises(AirflowFailException, match="not proven"):
            TaskRun(simulator, account_id=PAPER).attempt(preflight=preflight)
        assert simulator.sell_attempts() == []

    def test_an_account_that_cannot_be_read_is_not_sold(self, simulator, preflight):
        simulator.fault("status", path=f"accounts/{PAPER}", method="GET", status=503, times=None)
        with pytest.raises(api.PreflightFailed, match="Nothing was sent"):
            TaskRun(simulator, account_id=PAPER).attempt(preflight=preflight)
        assert simulator.sell_attempts() == []


class TestReal:
    @pytest.mark.parametrize("preflight", [True, "best_effort"])
    def test_refuses_a_paper_account(self, simulator, preflight):
        simulator.change_account(REAL, fields={"market_code": "paper_trading"})
        with pytest.raises(AirflowFailException, match="is a paper account"):
            TaskRun(simulator).attempt(preflight=preflight)
        assert simulator.sell_attempts() == []

    def test_without_preflight_a_paper_account_is_no_success(self, simulator, run):
        """Nothing but the sell's own answer tells then."""
        simulator.change_account(REAL, fields={"market_code": "paper_trading"})
        for _ in range(2):
            with pytest.raises(AirflowFailException, match="is a paper account") as caught:
                run.attempt(preflight=False)
            assert isinstance(caught.value.__cause__, api.WrongAccountSold)
            assert run.outcome == "accepted"
            assert "is a paper account" in run.xcoms["liquidation"]["reason"]
        assert len(simulator.sell_attempts()) == 1

    def test_without_preflight_a_dry_run_refuses_it(self, simulator, run):
        simulator.change_account(REAL, fields={"market_code": "paper_trading"})
        with pytest.raises(AirflowFailException, match="Nothing was sent"):
            run.attempt(preflight=False, dry_run=True)
        assert simulator.sell_attempts() == []
