"""What the hook returns goes from process to process in real Airflow, with nothing configured."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.scheduler.cases import ANY, Case, CaseRun

pytestmark = pytest.mark.scheduler


def run_to_the_end(case_run: CaseRun) -> None:
    case_run.trigger()
    case_run.wait_for_end()


CASE = Case("hook_results", run_to_the_end, "hook_results", {}, allowed_give_ups=ANY)


@pytest.mark.parametrize("case_run", [CASE], ids=lambda case: case.name, indirect=True)
def test_a_task_uses_the_rows_that_another_has_returned(case_run: CaseRun) -> None:
    assert case_run.state() == "success", case_run.explain()
    used = case_run.xcom("return_value")
    assert Decimal(used.pop("total")) > 0
    assert used == {"as written": True, "kinds": ["BalanceRow"], "numbers": ["Decimal"], "shares": ["ExactDecimal"]}
