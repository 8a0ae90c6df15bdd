"""The sensor: one decision and one meaning of every parameter, in all three modes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors
from structlog.testing import capture_logs

from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    BalancesStalled,
    ConfigurationError,
    InvalidAccountId,
    OutcomeUnknown,
    RateLimitExceeded,
    SettlementFailed,
)
from airflow_provider_3commas.budget import RaisingGate, Reason, Reservation, SleepingGate, WaitForBudget
from airflow_provider_3commas.report import build_report
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.sensor_run import SensorRun
from tests.fakes import ACCOUNT, SETTLED, START, UNSOLD, View, row
from tests.triggers.virtual import pairs


def no_budget(seconds: float) -> WaitForBudget:
    return WaitForBudget(Reservation(wait=seconds, reason=Reason.BUDGET, ticket=None))


POKE = pytest.mark.parametrize("mode", ["poke"], indirect=True)
RESCHEDULE = pytest.mark.parametrize("mode", ["reschedule"], indirect=True)
DEFERRABLE = pytest.mark.parametrize("mode", ["deferrable"], indirect=True)


class TestSameInAllModes:
    def test_returns_what_has_settled(self, lab, exchange):
        requests = exchange((0, UNSOLD), (100, SETTLED)).counts
        result = lab.run()
        assert {**result, "settled_at": "", "waited_seconds": 0} == {
            "account_id": ACCOUNT,
            "target": "BTC",
            "settled_at": "",
            "target_amount": "1.09",
            "btc_value": "1.09003",
            "usd_value": "65000",
            "residual": [{"currency": "DOGE", "amount": "21.7", "btc_value": "0.00003"}],
            "reads": 4,
            "waited_seconds": 0,
        }
        assert 180 <= result["waited_seconds"] < 220
        assert [value for _, value in lab.ti.xcoms["settlement_history"]] == ["0.09", "0.00003"]
        assert requests() == {"load_balances": 4, "get_balances": 4, "get_active_entities": 1}

    def test_facts_are_those_of_the_whole_wait(self, lab, exchange):
        requests = exchange((0, UNSOLD), (100, SETTLED)).requests
        lab.run(dust_btc="0.00050", ignore_currencies="luna, ust")
        assert lab.ti.xcoms["settlement_facts"] == {
            "account_id": ACCOUNT,
            "criteria": {
                "target": "BTC",
                "target_currencies": [],
                "dust_btc": "0.00050",
                "ignore_currencies": ["LUNA", "UST"],
                "stable_reads": 2,
                "stall_after": 600.0,
                "require_no_entities": True,
                "max_failures": 10,
                "view_tolerance": "0.01",
            },
            "requests": len(requests),
            "result": None,
        }

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            ([(0, UNSOLD)], BalancesStalled),
            ([(0, UNSOLD), (30, View([], account={"is_locked": True}))], SettlementFailed),
            ([(0, UNSOLD), (30, AccountNotFound("404 not_found"))], SettlementFailed),
            ([(0, UNSOLD), (200, OutcomeUnknown("502"))], SettlementFailed),
            ([(0, UNSOLD), (200, View([], "0.5"))], AirflowSensorTimeout),
            ([(0, UNSOLD), (500, OutcomeUnknown("502"))], AirflowSensorTimeout),
        ],
        ids=["stalled", "locked", "not found", "unreadable", "timeout on an empty view", "timeout on a failure"],
    )
    def test_facts_say_what_was_left_however_the_wait_ended(self, lab, exchange, script, kind):
        requests = exchange(*script).requests
        with pytest.raises(kind):
            lab.run(timeout=900 if kind is not AirflowSensorTimeout else 590, max_failures=5)
        facts = lab.ti.xcoms["settlement_facts"]
        assert facts["requests"] == len(requests)
        assert {**facts["result"], "reads": 0, "waited_seconds": 0} == {
            "account_id": ACCOUNT,
            "target": "BTC",
            "settled_at": None,
            "target_amount": "1",
            "btc_value": "1.09",
            "usd_value": "65000",
            "residual": [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}],
            "reads": 0,
            "waited_seconds": 0,
        }
        assert facts["result"]["waited_seconds"] <= lab.elapsed()

    def test_facts_of_a_skipped_wait_are_there_too(self, lab, exchange):
        exchange((0, UNSOLD))
        with capture_logs() as logs, pytest.raises(AirflowSkipException):
            lab.run(timeout=150, soft_fail=True)
        assert [line["log_level"] for line in logs if "not settled within 150 s" in str(line)][-1] == "error"
        assert lab.ti.xcoms["settlement_facts"]["result"]["residual"][0]["currency"] == "ETH"
        assert lab.ti.xcoms["settlement_facts"]["result"]["residual"][0]["currency"] == "ETH"

    def test_facts_make_nothing_up_where_nothing_was_seen(self, lab, exchange):
        requests = exchange((0, AccountNotFound("404 not_found"))).requests
        with pytest.raises(SettlementFailed):
            lab.run()
        facts = lab.ti.xcoms["settlement_facts"]
        assert (facts["result"], facts["requests"], len(requests)) == (None, 1, 1)

    def test_what_has_to_wait_for_the_budget_is_no_request(self, lab, exchange):
        exchange((0, no_budget(20)), (15, SETTLED))
        lab.run()
        assert lab.ti.xcoms["settlement_facts"]["requests"] == 5

    @pytest.mark.parametrize("criteria", [{}, {"dust_btc": "0.2"}])
    def test_report_of_a_wait_that_failed_names_what_is_left(self, lab, exchange, criteria):
        exchange((0, View([row("BTC", "1"), row("ETH", "2", "0.09")], entities={"active_bots_count": 1})))
        with pytest.raises(AirflowSensorTimeout, match="running: 1 bot"):
            lab.run(timeout=500, **criteria)
        xcoms = lab.ti.xcoms
        report = build_report(
            history=xcoms["settlement_history"], facts=xcoms["settlement_facts"], settlement_state="failed"
        )
        assert (report["status"], report["account"]["id"]) == ("not_settled", ACCOUNT)
        assert [(item["currency"], item["kind"]) for item in report["unsold"]["items"]] == [
            ("ETH", "dust" if criteria else "left")
        ]
        assert report["unsold"]["dust_btc"] == criteria.get("dust_btc", "0.0001")

    def test_stall_is_a_failure_that_names_what_is_left(self, lab, exchange):
        exchange((0, UNSOLD))
        with pytest.raises(BalancesStalled, match=r"unsold: 2 ETH \(0.09 BTC\)") as failure:
            lab.run()
        assert 600 <= lab.elapsed() < 680
        assert failure.value.result["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
        assert lab.ti.xcoms["settlement_history"] == [[0.0, "0.09"]]

    def test_a_bot_that_runs_on_is_a_stall(self, lab, exchange):
        exchange((0, View([row("BTC", "1")], entities={"active_bots_count": 1})))
        with pytest.raises(BalancesStalled, match="running: 1 bot"):
            lab.run()
        assert 600 <= lab.elapsed() < 680

    def test_an_account_that_its_owner_has_emptied_is_a_failure(self, lab, exchange):
        exchange((0, UNSOLD), (100, View([], account={"btc_amount": "0"})))
        with pytest.raises(SettlementFailed, match="has been withdrawn"):
            lab.run()

    @pytest.mark.parametrize("fails_the_run", [None, False, True])
    def test_a_teardown_has_to_fail_the_run(self, lab, exchange, fails_the_run):
        sensor = lab.sensor()
        if fails_the_run:
            assert sensor.as_teardown(on_failure_fail_dagrun=True) is sensor
        else:
            with pytest.raises(ValueError, match="on_failure_fail_dagrun=True"):
                sensor.as_teardown(on_failure_fail_dagrun=fails_the_run)

    @pytest.mark.parametrize("fails_the_run", [False, True])
    def test_a_teardown_by_another_way_is_refused_before_anything_is_sent(self, lab, exchange, fails_the_run):
        requests = exchange((0, SETTLED)).requests
        sensor = lab.sensor(dry_run=True)
        sensor.is_teardown, sensor.on_failure_fail_dagrun = True, fails_the_run
        if fails_the_run:
            assert sensor.execute(lab.context)["target_amount"] == "1.09"
            return
        with pytest.raises(ConfigurationError, match="would go unnoticed"):
            sensor.execute(lab.context)
        assert not requests

    def test_timeout_names_what_is_left(self, lab, exchange):
        exchange((0, UNSOLD))
        with pytest.raises(AirflowSensorTimeout, match=r"within 150 s: unsold: 2 ETH \(0.09 BTC\)"):
            lab.run(timeout=150)
        assert 150 <= lab.elapsed() < 152

    def test_soft_fail_skips_on_a_timeout_and_says_so(self, lab, exchange):
        exchange((0, UNSOLD))
        with capture_logs() as log, pytest.raises(AirflowSkipException, match="2 ETH"):
            lab.run(timeout=150, soft_fail=True)
        left, skipped = [line["event"] for line in log if line["log_level"] == "error"]
        assert "2 ETH (0.09 BTC)" in left
        assert "soft_fail" in skipped
        facts = lab.ti.xcoms["settlement_facts"]
        assert "within 150 s: unsold: 2 ETH (0.09 BTC)" in facts["skipped"]
        assert facts["result"]["residual"][0]["currency"] == "ETH"

    def test_what_is_not_skipped_does_not_say_so(self, lab, exchange):
        exchange((0, UNSOLD))
        with capture_logs() as log, pytest.raises(AirflowSensorTimeout):
            lab.run(timeout=150)
        assert not [line for line in log if "soft_fail" in line["event"]]
        assert "skipped" not in lab.ti.xcoms["settlement_facts"]

    @pytest.mark.parametrize("wrong", [{"soft_fail": "False"}, {"deferrable": "True"}, {"require_no_entities": "no"}])
    def test_text_is_no_truth_value(self, lab, wrong):
        ((name, _),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name} must be True or False"):
            lab.sensor(**wrong)

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            ([(0, UNSOLD)], BalancesStalled),
            ([(0, UNSOLD), (30, View([], account={"is_locked": True}))], SettlementFailed),
            ([(0, UNSOLD), (30, View([], account={"api_key_invalid": True}))], SettlementFailed),
            ([(0, UNSOLD), (30, AccountNotFound("404 not_found"))], SettlementFailed),
            ([(0, UNSOLD), (30, OutcomeUnknown("502"))], SettlementFailed),
        ],
        ids=["stalled", "locked", "keys", "not found", "unreadable"],
    )
    def test_soft_fail_does_not_skip_on_anything_else(self, lab, exchange, script, kind):
        exchange(*script)
        with pytest.raises(kind) as failure:
            lab.run(soft_fail=True)
        assert not isinstance(failure.value, AirflowException)
        assert "2 ETH" in str(failure.value)

    def test_failed_reads_are_put_up_with(self, lab, exchange):
        exchange((0, OutcomeUnknown("502")), (590, SETTLED))
        assert lab.run()["reads"] == 2

    def test_too_many_failed_reads_are_not(self, lab, exchange):
        requests = exchange((0, OutcomeUnknown("answered 502", status_code=502))).counts
        with pytest.raises(SettlementFailed, match=r"4 times in a row; the last time: answered 502") as failure:
            lab.run(max_failures=3)
        assert failure.value.status_code == 502
        assert requests() == {"load_balances": 4}

    def test_retry_after_is_honoured(self, lab, exchange):
        polls = exchange((0, RateLimitExceeded("429", retry_after=300)), (300, SETTLED)).polls
        lab.run()
        assert polls()[1] >= 300

    def test_retry_after_is_cut_by_the_timeout(self, lab, exchange):
        polls = exchange((0, UNSOLD), (50, RateLimitExceeded("429", retry_after=3000))).polls
        with pytest.raises(AirflowSensorTimeout, match="2 ETH"):
            lab.run(timeout=400)
        assert 400 <= lab.elapsed() < 402
        assert polls()[1] < 80

    def test_no_budget_is_no_failure_and_no_reason_to_stay(self, lab, exchange):
        starved = exchange((0, no_budget(20)), (15, SETTLED))
        result = lab.run(max_failures=0)
        assert result["reads"] == 2
        assert starved.polls()[1] >= 20
        if lab.mode == "reschedule":
            assert lab.reschedules == 2
            assert not lab.sleeps

    def test_budget_is_waited_for_once_a_poll_has_begun(self, lab, exchange):
        built = exchange((0, SETTLED))
        answer, refusals = built.get_balances, [no_budget(20)]

        def get_balances(account_id):
            if refusals:
                raise refusals.pop()
            return answer(account_id)

        built.get_balances = get_balances
        lab.run(max_failures=0)
        assert built.counts()["load_balances"] == 2
        assert lab.sleeps[:1] == [20]

    def test_waiting_for_budget_is_cut_by_the_timeout(self, lab, exchange):
        exchange((0, no_budget(500)))
        with pytest.raises(AirflowSensorTimeout, match="no request budget"):
            lab.run(timeout=100)
        assert 100 <= lab.elapsed() <= 111

    def test_never_asks_more_than_once_an_interval(self, lab, exchange):
        polls = exchange((0, OutcomeUnknown("500"))).polls
        with pytest.raises(SettlementFailed):
            lab.run()
        assert all(gap >= 60 - 1e-3 for gap in pairs(polls()))

    def test_interval_can_grow(self, lab, exchange):
        polls = exchange((0, UNSOLD)).polls
        with pytest.raises(BalancesStalled):
            lab.run(poke_interval=10, exponential_backoff=True, max_wait=timedelta(seconds=100))
        assert len(polls()) < 13

    def test_templates_are_checked_before_anything_is_sent(self, lab, exchange):
        requests = exchange((0, SETTLED)).requests
        for arguments, error in [
            ({"account_id": "summary"}, InvalidAccountId),
            ({"account_id": "None"}, InvalidAccountId),
            ({"target": "EUR"}, ConfigurationError),
            ({"dry_run": ""}, ConfigurationError),
            ({"ignore_currencies": "BTC"}, ConfigurationError),
        ]:
            ((name, rendered),) = arguments.items()
            sensor = lab.sensor(**{name: "{{ params.x }}"})
            setattr(sensor, name, rendered)
            with pytest.raises(error):
                sensor.execute(lab.context)
        assert not requests

    @pytest.mark.parametrize("dry_run", [True, "True"])
    def test_dry_run_polls_once_and_succeeds(self, lab, exchange, dry_run):
        requests = exchange((0, UNSOLD)).counts
        result = lab.run(dry_run=dry_run, outlets=[AssetAlias("accounts")])
        assert result["settled_at"] is None
        assert result["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
        assert requests() == {"load_balances": 1, "get_balances": 1}
        assert lab.ti.xcoms["settlement_facts"]["requests"] == 2

    def test_dry_run_shows_what_a_real_one_would_fail_of(self, lab, exchange):
        exchange((0, View([], account={"is_locked": True})))
        with pytest.raises(SettlementFailed, match="locked"):
            lab.run(dry_run=True)

    def test_usd(self, lab, exchange):
        exchange((0, View([row("USDT", "60000", "0.9"), row("USDC", "5", "0.0001")])))
        assert lab.run(target="USD")["target_amount"] == "60005"


class TestPoke:
    @POKE
    def test_each_try_has_the_whole_timeout(self, lab, exchange):
        exchange((0, UNSOLD), (700, SETTLED))
        with pytest.raises(BalancesStalled):
            lab.run(timeout=650)
        lab.ti.try_number = 2
        assert lab.run(timeout=650)["reads"] >= 2

    @POKE
    def test_poke_alone_tells_whether_it_is_over(self, lab, exchange):
        exchange((0, SETTLED))
        sensor = lab.sensor()
        assert not sensor.poke(lab.context)
        outcome = sensor.poke(lab.context)
        assert outcome
        assert outcome.xcom_value["target_amount"] == "1.09"


class TestReschedule:
    @RESCHEDULE
    def test_leaves_the_worker_between_polls(self, lab, exchange):
        exchange((0, SETTLED))
        assert lab.run()["reads"] == 2
        assert lab.reschedules == 1
        assert not lab.sleeps

    @RESCHEDULE
    def test_retry_starts_anew_but_keeps_the_deadline(self, lab, exchange):
        exchange((0, UNSOLD))
        with pytest.raises(BalancesStalled):
            lab.run(timeout=700)
        lab.ti.try_number = 2
        with pytest.raises(AirflowSensorTimeout):
            lab.run(timeout=700)
        assert 700 <= lab.elapsed() < 702

    @RESCHEDULE
    def test_broken_memory_is_no_memory(self, lab, exchange):
        exchange((0, SETTLED))
        for broken in ("text", {"try": 1}, {"try": 1, "account_id": ACCOUNT, "progress": {"reads": "many"}}):
            lab.store.set("settlement_progress", broken)
            assert lab.run()["reads"] == 2

    @RESCHEDULE
    def test_what_an_older_version_remembered_is_read_and_its_requests_are_unknown(self, lab, exchange):
        exchange((0, SETTLED))
        before = {"started_at": START - 60, "reads": 1, "stable": 1, "target_amount": "1.09", "unchanged_since": START}
        lab.ti.first_reschedule = datetime.fromtimestamp(START - 60, UTC)
        lab.store.set("settlement_progress", {"try": 1, "account_id": ACCOUNT, "progress": before})
        assert lab.run()["reads"] == 2
        assert lab.ti.xcoms["settlement_facts"]["requests"] is None

    @RESCHEDULE
    def test_requests_that_were_forgotten_are_unknown(self, lab, exchange):
        exchange((0, UNSOLD), (100, SETTLED))
        lab.store = None
        lab.run()
        assert lab.ti.xcoms["settlement_facts"]["requests"] is None

    @RESCHEDULE
    def test_without_a_store_the_reads_are_made_in_a_row(self, lab, exchange):
        exchange((0, UNSOLD), (100, SETTLED))
        lab.store = None
        result = lab.run(stable_reads=3)
        assert result["reads"] == 3
        assert lab.sleeps == [10, 10]
        assert lab.reschedules == 2

    @RESCHEDULE
    def test_without_a_store_the_timeout_still_names_what_is_left(self, lab, exchange):
        exchange((0, UNSOLD))
        lab.store = None
        with pytest.raises(AirflowSensorTimeout, match="2 ETH"):
            lab.run(timeout=1000)


class TestDeferrable:
    @DEFERRABLE
    def test_what_is_over_never_visits_the_triggerer(self, lab, exchange):
        exchange((0, SETTLED))
        assert lab.run(stable_reads=1)["reads"] == 1
        assert not lab.deferrals

    @DEFERRABLE
    def test_gates_let_the_worker_go(self, lab):
        waiting, sleeping = lab.sensor(), lab.sensor(dry_run=True)
        for sensor, kind in ((waiting, RaisingGate), (sleeping, SleepingGate)):
            sensor._sensor_run = SensorRun(sensor, lab.context)
            assert isinstance(sensor._gate(None), kind)

    @DEFERRABLE
    def test_airflow_ends_the_deferral_a_little_later_than_the_trigger(self, lab, exchange):
        exchange((0, SETTLED))
        lab.run(timeout=1000)
        (deferral,) = lab.deferrals
        assert 1000 < deferral.timeout.total_seconds() < 1200
        assert deferral.method_name == "execute_complete"

    @DEFERRABLE
    def test_trigger_that_broke_leaves_what_the_first_poll_saw(self, lab, exchange):
        exchange((0, UNSOLD))
        sensor = lab.sensor()
        with pytest.raises(TaskDeferred):
            sensor.execute(lab.context)
        with pytest.raises(SettlementFailed, match="the trigger broke"):
            lab.sensor().resume_execution("__fail__", {"error": "Trigger failure"}, lab.context)
        facts = lab.ti.xcoms["settlement_facts"]
        assert facts["result"]["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
        # Those of the trigger are not among the sensor's.
        assert facts["requests"] is None

    @DEFERRABLE
    def test_events_of_older_versions_are_taken(self, lab, exchange):
        exchange((0, SETTLED))
        lab.edit_event = lambda event: {name: value for name, value in event.items() if name != "facts"}
        assert lab.run()["target_amount"] == "1.09"
        # What was known when the wait was handed over.
        assert lab.ti.xcoms["settlement_facts"]["criteria"]["dust_btc"] == "0.0001"

    def test_default_comes_from_airflow(self, monkeypatch):
        code = (
            "from airflow_provider_3commas.sensors.balances import BalancesSettledSensor as S;"
            "print(S(task_id='t', account_id=1).deferrable)"
        )
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip().endswith("True")

    @DEFERRABLE
    @pytest.mark.parametrize(
        "event", [None, {}, "settled", {"status": "done"}, {"status": "settled"}, {"status": "settled", "result": {}}]
    )
    @pytest.mark.parametrize("soft_fail", [False, True])
    def test_what_is_no_event_of_ours_is_a_failure(self, lab, exchange, event, soft_fail):
        exchange((0, SETTLED))
        lab.edit_event = lambda _: event
        with pytest.raises(SettlementFailed):
            lab.run(soft_fail=soft_fail)

    @DEFERRABLE
    def test_missing_arguments_are_a_failure(self, lab):
        with pytest.raises(SettlementFailed):
            lab.sensor().resume_execution("execute_complete", None, lab.context)

    @DEFERRABLE
    def test_a_trigger_that_broke_is_a_failure_under_soft_fail_too(self, lab):
        broke = {"error": "Trigger failure", "traceback": ["boom"]}
        with pytest.raises(SettlementFailed, match="is unknown: the trigger broke"):
            lab.sensor(soft_fail=True).resume_execution("__fail__", broke, lab.context)

    @DEFERRABLE
    def test_airflows_own_timeout_means_the_same(self, lab):
        over = {"error": "Trigger timeout"}
        with pytest.raises(AirflowSensorTimeout):
            lab.sensor().resume_execution("__fail__", over, lab.context)
        lab.ti.xcoms["settlement_facts"] = {"account_id": ACCOUNT, "result": {"reads": 1}}
        with pytest.raises(AirflowSkipException):
            lab.sensor(soft_fail=True).resume_execution("__fail__", over, lab.context)
        # What the first poll saw is kept.
        facts = lab.ti.xcoms["settlement_facts"]
        assert facts["result"] == {"reads": 1}
        assert "the trigger is silent" in facts["skipped"]


class TestParameters:
    @pytest.mark.parametrize(
        ("wrong", "expected"),
        [
            ({"account_id": "summary"}, "account_id"),
            ({"account_id": 0}, "account_id"),
            ({"account_id": None}, "account_id"),
            ({"account_id": True}, "account_id"),
            ({"target": "EUR"}, "target"),
            ({"dust_btc": "-1"}, "dust_btc"),
            ({"dust_btc": 0.0001}, "dust_btc"),
            ({"stable_reads": 0}, "stable_reads"),
            ({"stall_after": -5}, "stall_after"),
            ({"ignore_currencies": ["BTC"]}, "ignore_currencies"),
            ({"dry_run": "maybe"}, "dry_run"),
            ({"deferrable": "False"}, "deferrable"),
            ({"deferrable": 0}, "deferrable"),
            ({"require_no_entities": "False"}, "require_no_entities"),
            ({"stall_after": "ten minutes"}, "stall_after"),
            ({"silent_fail": True}, "silent_fail"),
            ({"never_fail": True}, "never_fail"),
        ],
    )
    def test_literals_are_refused_at_parse_time(self, wrong, expected):
        with pytest.raises(ValueError, match=expected):
            BalancesSettledSensor(**{"task_id": "settled", "account_id": ACCOUNT, **wrong})

    def test_templates_are_not(self):
        sensor = BalancesSettledSensor(
            task_id="settled",
            account_id="{{ params.account_id }}",
            target="{{ params.target }}",
            dry_run="{% if x %}True{% endif %}",
            ignore_currencies=["{{ params.stuck }}"],
        )
        assert set(sensor.template_fields) == {
            "account_id",
            "threecommas_conn_id",
            "target",
            "ignore_currencies",
            "dry_run",
        }

    def test_defaults_are_those_of_the_criteria_and_need_no_check(self):
        defaults = BalancesSettledSensor._DEFAULTS
        criteria = {name: defaults[name] for name in Criteria.__struct_fields__}
        assert Criteria.parse() == Criteria.parse(**criteria) == Criteria()


class TestAssetEvents:
    def test_carry_what_has_settled(self, lab, exchange):
        exchange((0, SETTLED))
        alias, asset = AssetAlias("accounts"), Asset(f"threecommas://account/{ACCOUNT}")
        other = Asset("s3://bucket/report")
        events = OutletEventAccessors()
        outlets = [alias, asset, other]
        lab.outlet_events = events
        lab.run(outlets=outlets)
        facts = {
            "account_id": ACCOUNT,
            "target": "BTC",
            "target_amount": "1.09",
            "residual_btc": "0.00003",
            "dag_id": "risk_off",
            "run_id": "manual__1",
        }
        (added,) = events[alias].asset_alias_events
        assert added.dest_asset_key.uri == f"threecommas://account/{ACCOUNT}"
        assert added.extra == facts
        assert events[asset].extra == facts
        assert events[other].extra == {}

    @POKE
    def test_not_for_a_dry_run(self, lab, exchange):
        exchange((0, SETTLED))
        alias, events = AssetAlias("accounts"), OutletEventAccessors()
        lab.outlet_events = events
        lab.run(outlets=[alias], dry_run=True)
        assert not events[alias].asset_alias_events
