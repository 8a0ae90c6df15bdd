"""The example DAGs as files that people copy."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.versions import AIRFLOW_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

#: The question of the other one needs a newer standard provider than comes with the oldest Airflow.
TOO_NEW = {"risk_off_with_approval"} if AIRFLOW_VERSION < (3, 2) else set()
FOLDER = Path(__file__).resolve().parents[2] / "example_dags"
FILES = sorted(file for file in FOLDER.glob("*.py") if file.stem not in TOO_NEW)
DAG_IDS = [file.stem for file in FILES]


def test_all_of_them_are_here() -> None:
    assert {"risk_off_fleet", "risk_off_liquidation", "risk_off_report"} <= set(DAG_IDS)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_each_explains_itself(example_dag: Callable[[str], DAG], dag_id: str) -> None:
    dag = example_dag(dag_id)

    assert dag.dag_id == dag_id
    assert dag.doc_md
    assert dag.doc_md.startswith("###")
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.default_args["retries"] == 0
    assert dag.tags >= {"3commas", "risk-off"}
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema.keys() >= {"type", "title"}
        assert param.description


@pytest.mark.parametrize("file", FILES, ids=DAG_IDS)
def test_nothing_in_them_is_for_tests(file: Path) -> None:
    text = file.read_text()

    assert not re.search(r"\b(simulator|pytest|environ|__main__|sys\.path)\b|\.test\(", text)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_none_sells_before_somebody_has_said_so(example_dag: Callable[[str], DAG], dag_id: str) -> None:
    dag = example_dag(dag_id)

    sales = [task for task in dag.tasks if task.task_type.startswith("SellAllTo")]
    assert all(task.partial_kwargs["dry_run"] if task.is_mapped else task.dry_run for task in sales)
    if sales:
        assert dag.params["dry_run"] is True
        assert dag.params.get("account_id") is None


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_no_wait_is_for_ever_nor_for_another_account(example_dag: Callable[[str], DAG], dag_id: str) -> None:
    dag = example_dag(dag_id)

    for task in dag.tasks:
        if task.task_type == "BalancesSettledSensor":
            assert timedelta(seconds=task.timeout) == timedelta(hours=6)
            assert "liquidate" in {upstream.rpartition(".")[2] for upstream in task.upstream_task_ids}
            # A param or variable could be another one by then; of a group's argument there is only one.
            assert "params" not in str(task.account_id)
            assert "var" not in str(task.account_id)


@pytest.mark.parametrize("account_id", [0, -5, "32402783", 1.5])
def test_account_id_is_checked_before_the_run(example_dag: Callable[[str], DAG], account_id: object) -> None:
    try:
        from airflow.sdk.exceptions import ParamValidationError
    except ImportError:  # before Airflow 3.2
        from airflow.exceptions import ParamValidationError

    params = example_dag("risk_off_liquidation").params
    params["account_id"] = 7
    with pytest.raises(ParamValidationError):
        params["account_id"] = account_id
