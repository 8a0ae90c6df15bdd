"""One try of a sell-all task: what it checks, logs, sends and pushes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import AssetAlias

from airflow_provider_3commas import api
from airflow_provider_3commas.api import connections
from airflow_provider_3commas.api.errors import LiquidationRefused
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator, SellAllToUsdOperator
from airflow_provider_3commas.retry_policy import default_retry_policy
from tests.operators.task_run import TaskRun, connect


def requests_of(simulator) -> list[str]:
    return [f"{entry['method']} {entry['path'].removeprefix('/public/api')}" for entry in simulator.journal()]


class OutletEvents:
    """Airflow's outlet events, of one outlet."""

    def __init__(self, event: object) -> None:
        self._event = event

    def __getitem__(self, outlet: object) -> object:
        return self._event


class TestTheSale:
    def test_reads_three_times_then_sells_once(self, simulator, run):
        account = run.attempt()
        account_id = simulator.account_id
        assert requests_of(simulator) == [
            f"GET /ver1/accounts/{account_id}",
            f"POST /ver1/accounts/{account_id}/account_table_data",
            f"GET /ver1/accounts/{account_id}/active_trading_entities",
            f"POST /ver1/accounts/{account_id}/sell_all_to_btc",
        ]
        assert account["id"] == account_id
        assert account["api_key"] == "***"

    def test_without_preflight_the_sell_is_the_only_request(self, simulator, run):
        run.attempt(preflight=False)
        assert requests_of(simulator) == [f"POST /ver1/accounts/{simulator.account_id}/sell_all_to_btc"]
        assert run.outcome == "accepted"
        assert "holdings_before" not in run.xcoms

    def test_the_usd_operator_sells_to_usd(self, simulator):
        run = TaskRun(simulator, operator_class=SellAllToUsdOperator)
        run.attempt()
        assert [sell["target"] for sell in simulator.sells()] == ["USD"]
        assert run.xcoms["liquidation"]["target"] == "USD"

    def test_paper_mode_sells_the_paper_account(self, simulator, monkeypatch):
        connect(monkeypatch, simulator, mode="paper")
        run = TaskRun(simulator, account_id=32402999)
        run.attempt()
        assert {entry["mode"] for entry in simulator.journal()} == {"paper"}
        assert [sell["account_id"] for sell in simulator.sells()] == [32402999]

    def test_the_holdings_before_the_sale_are_pushed(self, simulator, run):
        run.attempt()
        before = run.xcoms["holdings_before"]
        amounts = {holding["currency"]: Decimal(holding["amount"]) for holding in before["holdings"]}
        assert amounts["ETH"] == Decimal("8.25")
        assert before["entities"]["active_bots_count"] == 3
        assert before["complete"] is True

    def test_the_outcome_is_pushed(self, simulator, run):
        run.attempt()
        facts = run.xcoms["liquidation"]
        [sell] = simulator.sells()
        assert facts["outcome"] == "accepted"
        assert facts["request_id"] == sell["request_id"]
        assert (facts["account_id"], facts["mode"]) == (simulator.account_id, "real")
        assert facts["requests"] == len(simulator.journal()) == 4

    def test_an_asset_among_the_outlets_gets_an_event(self, simulator, run, monkeypatch):
        alias = AssetAlias("sold")
        events = []
        event = SimpleNamespace(add=lambda asset, extra: events.append((asset.uri, extra)))
        monkeypatch.setattr(run, "outlet_events", OutletEvents(event))
        run.attempt(outlets=[alias])
        [(uri, extra)] = events
        assert uri == f"threecommas://account/{simulator.account_id}"
        assert (extra["outcome"], extra["dag_id"], extra["run_id"]) == ("accepted", "a_dag", "a_run")

    def test_a_dry_run_emits_no_asset_event(self, run, monkeypatch):
        monkeypatch.setattr(run, "outlet_events", None)
        run.attempt(outlets=[AssetAlias("sold")], dry_run=True)

    def test_money_in_the_account_is_text_not_float(self, run):
        def floats(value):
            if isinstance(value, dict):
                value = list(value.values())
            if isinstance(value, list):
                return [found for item in value for found in floats(item)]
            return [value] if isinstance(value, (float, Decimal)) else []

        assert floats(run.attempt()) == []

    def test_the_plan_is_logged_before_the_sell_all(self, simulator, run, capsys):
        simulator.fault("status", path="sell_all", status=500)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        log = capsys.readouterr().out
        for word in ("My Binance US", "Binance US Spot", "8.25 ETH", "3 bots, 2 deals", "can't be undone"):
            assert word in log


class TestBadInput:
    @pytest.mark.parametrize(
        ("parameters", "says"),
        [
            ({"account_id": "summary"}, "positive integer"),
            ({"account_id": "None"}, "positive integer"),
            ({"account_id": ""}, "positive integer"),
            ({"account_id": 0}, "positive integer"),
            ({"dry_run": "maybe"}, "dry_run must be True or False"),
            ({"dry_run": ""}, "dry_run must be True or False"),
            ({"dry_run": None}, "dry_run must be True or False"),
            ({"account_name": ""}, "account_name"),
            ({"account_name": "None"}, "account_name"),
            ({"account_name": "x", "preflight": False}, "needs preflight"),
            ({"account_name": "x", "preflight": "best_effort"}, "needs preflight"),
            ({"preflight": "maybe"}, "preflight must be True, False or 'best_effort'"),
            ({"preflight": None}, "preflight must be"),
            ({"not_within": "None"}, "not_within must be a timedelta or a number of seconds"),
            ({"not_within": ""}, "not_within"),
            ({"not_within": True}, "not_within"),
            ({"not_within": timedelta(0)}, "not_within"),
            ({"not_within": timedelta(days=31)}, "not_within"),
            ({"max_lateness": "None"}, "max_lateness"),
            ({"max_lateness": "nan"}, "max_lateness"),
            ({"max_lateness": float("nan")}, "max_lateness"),
            ({"reconcile_for": timedelta(seconds=0.5)}, "reconcile_for"),
        ],
    )
    def test_a_wrong_parameter_fails_at_once_and_sends_nothing(self, simulator, run, parameters, says):
        with pytest.raises(AirflowFailException, match=says):
            run.attempt(**parameters)
        assert simulator.journal() == []

    @pytest.mark.parametrize(
        ("connection", "says"),
        [
            ({"mode": "demo"}, "'real' or 'paper'"),
            ({"timeout": 0}, "timeout"),
            ({"timeout": "soon"}, "timeout"),
            ({"password": "***"}, "mask"),
            ({"private_key": "x"}, "both a password and a private key"),
        ],
    )
    def test_unusable_connection_sends_nothing(self, simulator, run, monkeypatch, connection, says):
        connect(monkeypatch, simulator, **connection)
        with pytest.raises(AirflowFailException, match=says):
            run.attempt()
        assert simulator.journal() == []

    @pytest.mark.parametrize("action", ["wrong_account", "empty", "html"])
    def test_an_account_reply_that_is_not_this_account_stops_before_the_sell(self, simulator, run, action):
        simulator.fault(action, method="GET", times=None, path="accounts/", status=200)
        with pytest.raises(api.PreflightFailed, match="Nothing was sent"):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert run.outcome == "not_sent"

    def test_a_passing_fault_of_a_read_does_not_lose_the_liquidation(self, simulator, run):
        simulator.fault("status", path="account_table_data", status=502, times=2)
        run.attempt()
        assert len(simulator.sells()) == 1


class TestGuards:
    @pytest.mark.parametrize(
        ("scenario", "says"),
        [
            ("locked", "locked"),
            ("keys-expired", "rejects the API keys"),
            ("unsupported", "no sell-all"),
        ],
    )
    def test_an_account_that_cannot_be_sold_is_refused(self, simulator, run, scenario, says):
        simulator.reset(scenario)
        with pytest.raises(AirflowFailException, match=says) as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__, LiquidationRefused)
        assert simulator.sell_attempts() == []

    def test_an_account_of_another_name_is_refused(self, simulator, run):
        with pytest.raises(AirflowFailException, match="is named 'My Binance US', but account_name is 'Main'"):
            run.attempt(account_name="Main")
        assert simulator.sell_attempts() == []
        with pytest.raises(AirflowFailException, match="account_name is 'my binance us'"):
            run.attempt(account_name="my binance us")
        run.attempt(account_name="My Binance US")
        assert len(simulator.sells()) == 1

    def test_a_name_with_what_can_not_be_printed_is_itself_and_no_other(self, simulator, run):
        name = "Main\N{NO-BREAK SPACE}\N{RIGHT-TO-LEFT OVERRIDE}x\N{ZERO WIDTH SPACE}"
        simulator.change_account(name=name)
        for other in ("Main x", "Main\N{NO-BREAK SPACE}x"):
            with pytest.raises(AirflowFailException, match="account_name is 'Main"):
                run.attempt(account_name=other)
        run.attempt(account_name=name)
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize("dry_run", [True, "True", "true", " TRUE "])
    def test_dry_run_reads_for_real_and_sends_no_sell(self, simulator, run, dry_run):
        account = run.attempt(dry_run=dry_run)
        assert account["id"] == simulator.account_id
        assert run.outcome == "dry_run"
        assert run.xcoms["holdings_before"]["holdings"]
        assert simulator.sell_attempts() == []
        assert run.phase == "begun"

    def test_dry_run_without_preflight_sends_no_sell_either(self, simulator, run):
        run.attempt(dry_run=True, preflight=False)
        assert simulator.sell_attempts() == []

    def test_a_late_scheduled_run_is_refused(self, simulator, run):
        run.dag_run.run_type = "scheduled"
        run.dag_run.run_after = pendulum.now("UTC").subtract(hours=1, minutes=1)
        with pytest.raises(AirflowFailException, match="max_lateness"):
            run.attempt()
        assert simulator.journal() == []
        run.attempt(max_lateness=None)
        assert len(simulator.sells()) == 1

    def test_a_scheduled_run_within_max_lateness_sells(self, simulator, run):
        run.dag_run.run_type = "scheduled"
        run.dag_run.run_after = pendulum.now("UTC").subtract(minutes=59)
        run.attempt()
        assert len(simulator.sells()) == 1

    def test_a_backfill_run_is_refused(self, simulator, run):
        run.dag_run.run_type = "backfill"
        with pytest.raises(AirflowFailException, match="allow_backfill"):
            run.attempt(max_lateness=None)
        assert simulator.journal() == []
        run.attempt(allow_backfill=True)
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize(
        "run_type", ["scheduled", "manual", "asset_triggered", "operator_triggered", "something_new"]
    )
    def test_a_run_of_any_type_that_has_waited_too_long_is_refused(self, simulator, run, run_type):
        run.dag_run.run_type = run_type
        run.dag_run.run_after = pendulum.now("UTC").subtract(days=3)
        with pytest.raises(AirflowFailException, match="max_lateness"):
            run.attempt()
        assert simulator.journal() == []
        assert run.outcome == "refused"
        run.attempt(max_lateness=None)
        assert len(simulator.sells()) == 1


REFUSALS = [
    (400, {"error": "record_invalid", "error_attributes": {"a": ["b"]}}, api.InvalidRequest, True),
    (400, {"error": "forced_mode_invalid"}, api.InvalidRequest, True),
    (401, {"error": "signature_invalid"}, api.AuthenticationError, True),
    (403, {"error": "access_denied"}, api.PermissionDenied, True),
    (403, {"error": "Forbidden. Unavailable for this account."}, api.SellAllUnavailable, True),
    (403, {"error": "Forbidden", "error_description": "Active subscription is required"}, api.PermissionDenied, True),
    (404, {"error": "not_found"}, api.AccountNotFound, True),
    (405, {"error": "405 Not Allowed"}, api.InvalidRequest, True),
    (418, {"error": "banned"}, api.IpBanned, False),
    (422, {"error": "invalid_api_key"}, api.ExchangeKeysInvalid, True),
    (422, {"error": "unprocessable_entity"}, api.Unprocessable, False),
    (
        429,
        {"error": "The request type is not available with your current subscription plan"},
        api.PlanLimitReached,
        True,
    ),
]


class TestRefusals:
    @pytest.mark.parametrize(("status", "body", "kind", "final"), REFUSALS)
    def test_refused_sell_is_sent_once_and_fails_for_good_only_where_waiting_cannot_help(
        self, simulator, run, status, body, kind, final
    ):
        simulator.fault("json", path="sell_all", status=status, body=body)
        with pytest.raises(AirflowFailException if final else kind) as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__ if final else caught.value, kind)
        assert len(simulator.sell_attempts()) == 1
        assert simulator.sells() == []
        assert run.phase == "rejected"

    @pytest.mark.parametrize(("status", "body", "kind", "final"), REFUSALS)
    def test_a_later_try_after_a_refusal_sells(self, simulator, run, status, body, kind, final):
        simulator.fault("json", path="sell_all", status=status, body=body)
        with pytest.raises((AirflowFailException, kind)):
            run.attempt()
        run.attempt()
        assert len(simulator.sells()) == 1

    def test_a_sell_that_could_not_leave_may_be_sent_by_a_later_try(self, simulator, run):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connections._HttpConnection, "connect", _unreachable)
            with pytest.raises(api.ConnectionFailed):
                run.attempt(preflight=False)
        assert run.phase == "begun"
        assert run.outcome == "not_sent"
        run.attempt(preflight=False)
        assert len(simulator.sells()) == 1


def _unreachable(*args, **kwargs):
    raise OSError("Name or service not known")


class TestForm:
    def test_template_fields(self):
        assert set(SellAllToBtcOperator.template_fields) >= {
            "account_id",
            "threecommas_conn_id",
            "account_name",
            "dry_run",
        }

    def test_retry_policy_is_a_default_that_a_user_can_override(self):
        default = default_retry_policy()
        if default is None:
            pytest.skip("this Airflow has no retry policies")
        assert type(SellAllToBtcOperator(task_id="a", account_id=1).retry_policy) is type(default)
        assert SellAllToBtcOperator(task_id="a", account_id=1, retry_policy="mine").retry_policy == "mine"

    @pytest.mark.parametrize(("retry_after", "delay", "waits"), [(300, 60, 300), (5, 60, None), (None, 60, None)])
    def test_retry_waits_as_long_as_the_server_said(self, retry_after, delay, waits):
        policy = default_retry_policy()
        if policy is None:
            pytest.skip("this Airflow has no retry policies")
        task = SellAllToBtcOperator(task_id="a", account_id=1, retry_delay=timedelta(seconds=delay))
        decision = policy.evaluate(api.RateLimitExceeded("x", retry_after=retry_after), 1, 2, {"task": task})
        assert decision.retry_delay == (timedelta(seconds=waits) if waits else None)

    def test_link_leads_to_the_account(self):
        operator = SellAllToBtcOperator(task_id="a", account_id="32402783")
        [link] = operator.operator_extra_links
        assert link.get_link(operator, ti_key=None).endswith("/accounts/32402783")
        operator.account_id = "javascript:alert(1)"
        assert link.get_link(operator, ti_key=None) == ""

    def test_on_kill_sends_nothing(self, simulator):
        SellAllToBtcOperator(task_id="a", account_id=1).on_kill()
        assert simulator.journal() == []
