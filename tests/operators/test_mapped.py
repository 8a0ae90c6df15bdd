"""What another task has handed over is data: nobody writes a template into a DAG by naming an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_3commas.operators.report import LiquidationReportOperator
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_3commas.simulator import Simulator
    from tests.conftest import Run

pytestmark = pytest.mark.airflow

NAME = "X{{ 7 * 191 }}{{ conn.threecommas_default.password }}Y"


@pytest.fixture
def simulator(simulate: Callable[..., Simulator]) -> Simulator:
    simulator = simulate(speed=600)
    simulator.change_account(name=NAME)
    return simulator


def templated(simulator: Simulator) -> str:
    return f"{{{{ {simulator.account_id} }}}}"


def returning(value: Any) -> Any:
    @task
    def accounts() -> list[dict[str, Any]]:
        return value

    return accounts()


def test_a_name_in_expand_kwargs_is_compared_as_it_is(simulator: Simulator, run_dag: Callable[..., Run]) -> None:
    with DAG("mapped_name", schedule=None) as dag:
        accounts = returning([{"account_id": simulator.account_id, "account_name": NAME}])
        SellAllToBtcOperator.partial(task_id="liquidate", dry_run="{{ 1 == 2 }}").expand_kwargs(accounts)
    assert run_dag(dag).state == "success"
    assert len(simulator.sells()) == 1


def test_a_template_in_the_account_id_is_no_account(simulator: Simulator, run_dag: Callable[..., Run]) -> None:
    with DAG("mapped_account_id", schedule=None) as dag:
        accounts = returning([{"account_id": templated(simulator)}])
        SellAllToBtcOperator.partial(task_id="liquidate").expand_kwargs(accounts)
    assert run_dag(dag).state == "failed"
    assert simulator.sell_attempts() == []


def test_templates_that_the_dag_itself_maps_are_rendered(simulator: Simulator, run_dag: Callable[..., Run]) -> None:
    with DAG("mapped_in_the_file", schedule=None) as dag:
        SellAllToBtcOperator.partial(task_id="liquidate").expand_kwargs([{"account_id": templated(simulator)}])
    assert run_dag(dag).state == "success"
    assert len(simulator.sells()) == 1


def test_sensors_keep_to_it_too(simulator: Simulator, run_dag: Callable[..., Run]) -> None:
    with DAG("mapped_sensor", schedule=None) as dag:
        accounts = returning([{"account_id": templated(simulator)}])
        BalancesSettledSensor.partial(task_id="settled", timeout=1, poke_interval=0.1).expand_kwargs(accounts)
    run_dag(dag)
    assert simulator.journal() == []


def test_reports_keep_to_it_too(simulator: Simulator, run_dag: Callable[..., Run], tmp_path: Path) -> None:
    with DAG("mapped_report", schedule=None) as dag:
        liquidate = SellAllToBtcOperator(task_id="liquidate", account_id=simulator.account_id, dry_run=True)
        paths = returning([{"path": f"{tmp_path}/{{{{ 7 * 191 }}}}.md"}])
        report = LiquidationReportOperator.partial(task_id="report", liquidation="liquidate").expand_kwargs(paths)
        liquidate >> report
    assert run_dag(dag).state == "success"
    assert [file.name for file in tmp_path.glob("*.md")] == ["{{ 7 * 191 }}.md"]
