"""What Airflow's retries are used for, and what for not."""

from __future__ import annotations

import pytest

from tests.scheduler.cases import Case, CaseRun

pytestmark = pytest.mark.scheduler

RETRY_AFTER = 7


def meet_rate_limit(case_run: CaseRun) -> None:
    case_run.simulator.fault(
        "status",
        method=case_run.case.parameters["method"],
        path=f"{case_run.account_path}{case_run.case.parameters['path']}",
        status=429,
        headers={"retry-after": str(RETRY_AFTER)},
    )
    case_run.trigger()
    case_run.wait_for_end()


def be_refused(case_run: CaseRun) -> None:
    case_run.simulator.fault("status", method="POST", path=f"{case_run.account_path}/sell_all", status=403)
    case_run.trigger()
    case_run.wait_for_end()


LIMITED = [
    Case("limited_reads", meet_rate_limit, parameters={"method": "GET", "path": "", "posts": 1}),
    Case("limited_sell", meet_rate_limit, parameters={"method": "POST", "path": "/sell_all", "posts": 2}),
]


@pytest.mark.parametrize("case_run", LIMITED, ids=lambda case: case.name, indirect=True)
def test_a_rate_limit_is_waited_out_within_the_try(case_run: CaseRun) -> None:
    assert case_run.state() == "success", case_run.explain()
    assert len(case_run.sells()) == 1, case_run.explain()
    assert len(case_run.posts()) == case_run.case.parameters["posts"], case_run.explain()
    assert len(case_run.tries()) == 1, case_run.explain()
    requests = case_run.simulator.journal(path=f"{case_run.account_path}")
    refused = [request for request in requests if request["status"] in (418, 429)]
    after = [request for request in requests if request["seq"] > refused[0]["seq"]]
    assert [request["status"] for request in refused] == [429], case_run.explain()
    assert after[0]["time"] - refused[0]["time"] >= RETRY_AFTER, case_run.explain()


@pytest.mark.parametrize("case_run", [Case("refused", be_refused)], ids=["refused"], indirect=True)
def test_what_waiting_cannot_cure_is_tried_once(case_run: CaseRun) -> None:
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.tries()) == 1, case_run.explain()
    assert len(case_run.posts()) == 1, case_run.explain()
    assert not case_run.sells(), case_run.explain()
    assert "PermissionDenied" in case_run.task_log(), case_run.explain()
