"""What Airflow's retries are used for, and what for not."""

from __future__ import annotations

import pytest

from tests.scheduler.case_and_cluster import Play, Stage

pytestmark = pytest.mark.scheduler

RETRY_AFTER = 7


def meet_rate_limit(stage: Stage) -> None:
    stage.simulator.fault(
        "status",
        method=stage.play.facts["method"],
        path=f"{stage.account_path}{stage.play.facts['path']}",
        status=429,
        headers={"retry-after": str(RETRY_AFTER)},
    )
    stage.trigger()
    stage.wait_for_end()


def be_refused(stage: Stage) -> None:
    stage.simulator.fault("status", method="POST", path=f"{stage.account_path}/sell_all", status=403)
    stage.trigger()
    stage.wait_for_end()


LIMITED = [
    Play("limited_reads", meet_rate_limit, facts={"method": "GET", "path": "", "posts": 1}),
    Play("limited_sell", meet_rate_limit, facts={"method": "POST", "path": "/sell_all", "posts": 2}),
]


@pytest.mark.parametrize("played", LIMITED, ids=lambda play: play.name, indirect=True)
def test_a_rate_limit_is_waited_out_within_the_try(played: Stage) -> None:
    assert played.state() == "success", played.explain()
    assert len(played.sells()) == 1, played.explain()
    assert len(played.posts()) == played.play.facts["posts"], played.explain()
    assert len(played.tries()) == 1, played.explain()
    requests = played.simulator.journal(path=f"{played.account_path}")
    refused = [request for request in requests if request["status"] in (418, 429)]
    after = [request for request in requests if request["seq"] > refused[0]["seq"]]
    assert [request["status"] for request in refused] == [429], played.explain()
    assert after[0]["time"] - refused[0]["time"] >= RETRY_AFTER, played.explain()


@pytest.mark.parametrize("played", [Play("refused", be_refused)], ids=["refused"], indirect=True)
def test_what_waiting_cannot_cure_is_tried_once(played: Stage) -> None:
    assert played.state() == "failed", played.explain()
    assert len(played.tries()) == 1, played.explain()
    assert len(played.posts()) == 1, played.explain()
    assert not played.sells(), played.explain()
    assert "PermissionDenied" in played.task_log(), played.explain()
