"""The API server forgets a task's state when it has succeeded: a run that is cleared then does not sell again.

``[state_store] clear_on_success`` is set for the server alone, as where the workers have a configuration of their own:
no worker can know of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scheduler.cases import Case, CaseRun
from tests.scheduler.cluster import DAG_IDS, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.scheduler


def clear_sold(case_run: CaseRun) -> None:
    case_run.write_accounts([case_run.account.id])
    case_run.trigger()
    case_run.results["first"] = case_run.wait_for_end()
    case_run.clear_run()
    case_run.wait_for_end()


CLEARED = [Case("wiped", clear_sold, "liquidation_once"), Case("wiped_mapped", clear_sold, "mapped_liquidation")]


@pytest.fixture(scope="module")
def forgetful(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Another Airflow, whose server forgets."""
    settings = {"AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS": "True"}
    forgetful = Cluster(CLEARED, tmp_path_factory.mktemp("forgetful"), settings)
    try:
        forgetful.airflow.wait_until_ready(DAG_IDS)
        yield forgetful
    finally:
        forgetful.stop()


@pytest.mark.parametrize("case", CLEARED, ids=lambda case: case.name)
def test_a_run_that_is_cleared_does_not_sell_again(forgetful: Cluster, case: Case) -> None:
    case_run = forgetful.run(case)
    assert case_run.results["first"] == "success", case_run.explain()
    assert case_run.airflow.database("SELECT * FROM task_state_store WHERE run_id = ?", case_run.run_id) == []
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    liquidation = case_run.xcom("liquidation")
    assert liquidation["outcome"] == "unknown", case_run.explain()
    assert "nothing is recorded" in liquidation["reason"], case_run.explain()
