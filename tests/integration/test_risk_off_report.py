"""The reporting example DAG; that assets start it is shown on a real scheduler in ``test_whole_path.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from tests.conftest import Run

pytestmark = pytest.mark.airflow


def test_run_started_by_hand_reports_nothing(example_dag: Callable[[str], DAG], run_dag: Callable[..., Run]) -> None:
    run = run_dag(example_dag("risk_off_report"))

    assert (run.state, run.xcom("report")) == ("success", [])
