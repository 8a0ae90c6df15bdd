"""The report operator, alone and in DAGs that run against the simulator."""

from __future__ import annotations

import json
import stat
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from airflow_provider_3commas.operators.report import LiquidationReportOperator
from tests.report.samples import ACCOUNT, BEFORE, FACTS, HISTORY, LEFT, LIQUIDATION, SETTLEMENT

XCOMS = {
    ("liquidate", "return_value"): ACCOUNT,
    ("liquidate", "holdings_before"): BEFORE,
    ("liquidate", "liquidation"): LIQUIDATION,
    ("settled", "return_value"): SETTLEMENT,
    ("settled", "settlement_history"): HISTORY,
    ("settled", "settlement_facts"): FACTS,
}


class TaskInstance(SimpleNamespace):
    """Airflow's task instance, as the report operator uses it: states and XComs of a run."""

    def __init__(self, states: dict[str, str], xcoms: dict[Any, Any], map_index: int | None = -1) -> None:
        super().__init__(dag_id="d", run_id="r", map_index=map_index, states=states, xcoms=xcoms, pushed={})

    def get_task_states(self, *, dag_id, task_ids, run_ids):
        assert (dag_id, run_ids) == ("d", ["r"])
        found = {key: state for key, state in self.states.items() if key.rstrip("_0123456789") in task_ids}
        return {"r": found} if found else {}

    def xcom_pull(self, *, task_ids, key, map_indexes):
        return self.xcoms.get((task_ids, key) if map_indexes < 0 else (task_ids, key, map_indexes))

    def xcom_push(self, key, value):
        self.pushed[key] = value


def execute(ti: TaskInstance, **parameters: Any) -> dict[str, Any]:
    parameters = {"liquidation": "liquidate", "settlement": "settled", **parameters}
    return LiquidationReportOperator(task_id="report", **parameters).execute({"ti": ti})


@pytest.fixture
def ti():
    return TaskInstance({"liquidate": "success", "settled": "success"}, XCOMS)


def test_execute_returns_the_report(ti):
    report = execute(ti)

    assert report["status"] == "settled"
    assert report["slippage"]["percent_of_sold"] == "-0.3267"
    assert (report["requests"]["settlement"], report["unsold"]["dust_btc"]) == (11, "0.0001")
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert ti.pushed == {}


@pytest.mark.parametrize(
    ("name", "beginning"), [("a/b/r.html", "<!DOCTYPE html>"), ("r.MD", "# Liquidation of Main"), ("r.json", "{\n")]
)
def test_writes_what_the_path_ends_in(ti, tmp_path, name, beginning):
    report = execute(ti, path=str(tmp_path / name))

    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(beginning)
    assert ti.pushed["report_path"].endswith(name)
    if name.endswith("json"):
        assert json.loads(text) == report


def test_writes_to_object_storage(ti, tmp_path):
    execute(ti, path=f"file://{tmp_path}/reports/r1.txt", fmt="md")

    assert (tmp_path / "reports" / "r1.txt").read_bytes().startswith(b"# Liquidation of Main")


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])
def test_what_is_written_is_the_owners_alone_and_goes_through_no_link(ti, tmp_path, scheme):
    path = tmp_path / "reports" / "r.md"
    execute(ti, path=f"{scheme}{path}")
    assert [stat.S_IMODE(made.stat().st_mode) for made in (path, path.parent)] == [0o600, 0o700]

    path.unlink()
    path.symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match="symbolic link"):
        execute(ti, path=f"{scheme}{path}")
    assert not (tmp_path / "theirs").exists()


def rendered(ti: TaskInstance, template: str, **values: str) -> None:
    """Run the operator on a path that Airflow renders."""
    operator = LiquidationReportOperator(task_id="report", liquidation="liquidate", path=template)
    operator.render_template_fields({"ti": ti, **values})
    operator.execute({"ti": ti})


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("{root}/{{{{ run_id }}}}/r.md", {"run_id": ".."}),
        ("{root}/{{{{ a }}}}/r.md", {"a": "x/../../y"}),
        ("{root}/{{{{ a }}}}{{{{ b }}}}/r.md", {"a": ".", "b": "."}),
        ("{root}/.{{{{ a }}}}/r.md", {"a": "."}),
        ("{root}/x/../{{{{ run_id }}}}/r.md", {"run_id": ".."}),
        ("s3://conn@bucket/{{{{ run_id }}}}/r.md", {"run_id": ".."}),
    ],
)
def test_a_rendered_value_does_not_climb_out_of_the_directory(ti, tmp_path, template, values):
    with pytest.raises(ValueError, match=r"'\.\.'.*came from a template"):
        rendered(ti, template.format(root=tmp_path / "reports"), **values)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("template", "values", "written"),
    [
        ("{root}/a/../b/r.md", {}, "b/r.md"),
        ("{root}/a/../{{{{ run_id }}}}/r.md", {"run_id": "manual__2026-11-24T00:00:00+00:00"}, None),
        ("{root}/{{{{ run_id }}}}.md", {"run_id": ".."}, "...md"),
        ("{{{{ root }}}}/r.md", {}, "r.md"),
        ("{root}/{{% if run_id %}}../{{% endif %}}r.md", {"run_id": ""}, "r.md"),
    ],
)
def test_what_the_author_of_a_dag_writes_is_taken_at_its_word(ti, tmp_path, template, values, written):
    (tmp_path / "a").mkdir()
    rendered(ti, template.format(root=tmp_path), root=str(tmp_path), **values)
    assert (tmp_path / (written or f"{values['run_id']}/r.md")).is_file()


@pytest.mark.parametrize("parameters", [{"path": "report.pdf"}, {"path": "report"}, {"path": "r.html", "fmt": "pdf"}])
def test_unknown_formats_are_refused_in_the_dag_file(parameters):
    with pytest.raises(ValueError, match="fmt must be html, md or json"):
        LiquidationReportOperator(task_id="report", liquidation="liquidate", **parameters)


def test_templated_formats_are_refused_when_it_runs(ti):
    operator = LiquidationReportOperator(task_id="report", liquidation="liquidate", path="{{ params.path }}")
    operator.path = "x.pdf"
    with pytest.raises(ValueError, match="fmt must be html, md or json"):
        operator.execute({"ti": ti})


def test_unknown_task_is_named(ti):
    with pytest.raises(ValueError, match=r"no task 'sold'.*take_to_safety\.liquidate"):
        execute(ti, liquidation="sold")


def test_output_that_is_no_task_is_refused(ti):
    with pytest.raises(ValueError, match="in expand"):
        execute(ti, liquidation={"id": 7})


def test_without_a_sensor_nothing_is_known_after_the_sale(ti):
    report = execute(ti, settlement=None)

    assert report["status"] == "sold"
    assert any("no sensor" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("states", "keys", "status"),
    [
        ({"liquidate": "failed", "settled": "upstream_failed"}, [], "failed"),
        ({"liquidate": "skipped", "settled": "skipped"}, [], "skipped"),
        ({"liquidate": "success", "settled": "failed"}, ["return_value"], "not_settled"),
    ],
)
def test_failed_and_skipped_tasks_are_reported(states, keys, status):
    xcoms = {key: xcom for key, xcom in XCOMS.items() if status == "not_settled" and key[1] not in keys}

    assert execute(TaskInstance(states, xcoms))["status"] == status


@pytest.mark.parametrize(
    ("outcome", "status"), [("refused", "failed"), ("rejected", "failed"), ("unknown", "outcome_unknown")]
)
def test_reason_of_a_failed_sale_is_in_the_headline(outcome, status):
    outcome_xcom = {**LIQUIDATION, "outcome": outcome, "reason": "The account is locked.", "sent_at": None}
    ti = TaskInstance(
        {"liquidate": "failed", "settled": "upstream_failed"}, {("liquidate", "liquidation"): outcome_xcom}
    )
    report = execute(ti)

    assert report["status"] == status
    assert report["headline"].endswith(" The account is locked.")


def fleet(map_index: int | None = -1) -> TaskInstance:
    """Return a run of three accounts: one that has settled, one whose sale failed, one that has not settled."""
    states = {f"liquidate_{index}": "success" for index in range(3)} | {
        f"settled_{index}": "success" for index in range(3)
    }
    states |= {"liquidate_1": "failed", "settled_1": "upstream_failed", "settled_2": "failed"}
    xcoms = {(*key, 0): xcom for key, xcom in XCOMS.items()}
    xcoms[("liquidate", "liquidation", 2)] = LIQUIDATION
    xcoms[("settled", "settlement_facts", 2)] = {**FACTS, "result": LEFT}
    return TaskInstance(states, xcoms, map_index)


def test_after_mapped_tasks_reports_on_all_accounts_the_failed_ones_too(tmp_path):
    report = execute(fleet(), path=str(tmp_path / "fleet.html"))

    assert [account["status"] for account in report["accounts"]] == ["settled", "failed", "not_settled"]
    assert report["totals"]["settled"] == 1
    assert [item["currency"] for item in report["accounts"][2]["unsold"]["items"]] == ["SOL", "DOGE"]
    assert "1 of 3 accounts settled." in (tmp_path / "fleet.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("index", "status"), [(0, "settled"), (1, "failed"), (2, "not_settled")])
def test_in_a_mapped_group_reports_on_its_own_account(index, status):
    report = execute(fleet(map_index=index))

    assert (report["kind"], report["status"]) == ("account", status)


def test_tasks_and_outputs_become_upstream():
    from airflow.sdk import DAG

    from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
    from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

    with DAG("report_upstream", schedule=None):
        liquidate = SellAllToBtcOperator(task_id="liquidate", account_id=7)
        settled = BalancesSettledSensor(task_id="settled", account_id=7)
        report = LiquidationReportOperator(task_id="report", liquidation=liquidate, settlement=settled.output)

    assert (report.liquidation, report.settlement) == ("liquidate", "settled")
    assert report.upstream_task_ids == {"liquidate", "settled"}


@pytest.mark.airflow
def test_reports_on_a_simulated_account_in_a_dag(simulate, run_dag, tmp_path):
    from airflow.sdk import DAG

    from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
    from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

    simulator = simulate("dust")
    start = pendulum.datetime(2025, 1, 1, tz="UTC")
    with DAG("report_in_a_dag", schedule=None, start_date=start, params={"path": str(tmp_path)}) as dag:
        liquidate = SellAllToBtcOperator(task_id="liquidate", account_id=simulator.account_id)
        settled = BalancesSettledSensor(task_id="settled", account_id=simulator.account_id, poke_interval=0.2)
        liquidate >> settled
        LiquidationReportOperator(
            task_id="report", liquidation=liquidate.output, settlement=settled, path="{{ params.path }}/r.html"
        )
    run = run_dag(dag)

    assert run.state == "success"
    report = run.xcom("report")
    assert report["status"] == "settled"
    assert {item["kind"] for item in report["unsold"]["items"]} == {"dust"}
    assert report["settling"]["curve"]
    assert report["notes"] == []
    assert report["requests"]["total"] == len(simulator.journal())
    assert report["sale"]["stopped"] == {"active_bots_count": 3, "active_deals_count": 2}
    assert report["headline"] in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.airflow
def test_reports_on_each_account_of_a_mapped_group_and_on_all(simulate, run_dag, tmp_path):
    from airflow.sdk import DAG, task_group

    from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
    from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

    simulator = simulate("fleet")
    ids = [account["id"] for account in simulator.state()["accounts"]][:2]
    with DAG("report_fleet", schedule=None, start_date=pendulum.datetime(2025, 1, 1, tz="UTC")) as dag:

        @task_group
        def safe(account_id):
            liquidate = SellAllToBtcOperator(task_id="liquidate", account_id=account_id)
            settled = BalancesSettledSensor(task_id="settled", account_id=account_id, poke_interval=0.2)
            liquidate >> settled
            LiquidationReportOperator(task_id="each", liquidation=liquidate, settlement=settled.output)

        group = safe.expand(account_id=ids)
        group >> LiquidationReportOperator(
            task_id="all",
            liquidation="safe.liquidate",
            settlement="safe.settled",
            path=str(tmp_path / "fleet.md"),
        )
    run = run_dag(dag)

    assert run.state == "success"
    assert [run.xcom("safe.each", map_index=index)["account"]["id"] for index in (0, 1)] == ids
    report = run.xcom("all")
    assert [account["account"]["id"] for account in report["accounts"]] == ids
    assert report["totals"]["settled"] == 2
    assert all(account["requests"]["total"] > 6 for account in report["accounts"])
    assert (tmp_path / "fleet.md").read_text(encoding="utf-8").startswith("# Liquidation of a fleet")
