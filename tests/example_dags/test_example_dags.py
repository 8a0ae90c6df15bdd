"""The example DAGs as files that people copy."""

from __future__ import annotations

import re
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
    assert dag.tags >= {"3commas", "risk-off"}
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema.keys() >= {"type", "title"}
        assert param.description


@pytest.mark.parametrize("file", FILES, ids=DAG_IDS)
def test_nothing_in_them_is_for_tests(file: Path) -> None:
    text = file.read_text()

    assert not re.search(r"\b(simulator|pytest|environ|__main__|sys\.path)\b|\.test\(", text)


@pytest.mark.parametrize("account_id", [0, -5, "32402783", 1.5, None])
def test_account_id_is_checked_before_the_run(example_dag: Callable[[str], DAG], account_id: object) -> None:
    try:
        from airflow.sdk.exceptions import ParamValidationError
    except ImportError:  # before Airflow 3.2
        from airflow.exceptions import ParamValidationError

    params = example_dag("risk_off_liquidation").params
    params["account_id"] = 7
    with pytest.raises(ParamValidationError):
        params["account_id"] = account_id
