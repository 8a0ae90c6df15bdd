"""What Airflow's retries are used for, and what for not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.scheduler.world import Play, Stage

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
def test_the_next_try_waits_as_long_as_the_server_asked_for(played: Stage) -> None:
    assert played.state() == "success", played.explain()
    assert len(played.sells()) == 1, played.explain()
    assert len(played.posts()) == played.play.facts["posts"], played.explain()
    tries = played.tries()
    assert len(tries) == 2, played.explain()
    waited = datetime.fromisoformat(tries[1]["start_date"]) - datetime.fromisoformat(tries[0]["end_date"])
    assert waited >= timedelta(seconds=RETRY_AFTER), played.explain()
    assert override_of_first_try(played) == [(RETRY_AFTER,)], played.explain()
    requests = played.simulator.journal(path=f"{played.account_path}")
    refused = [request for request in requests if request["status"] in (418, 429)]
    after = [request for request in requests if request["seq"] > refused[0]["seq"]]
    assert [request["status"] for request in refused] == [429], played.explain()
    assert after[0]["time"] - refused[0]["time"] >= RETRY_AFTER, played.explain()


def override_of_first_try(stage: Stage) -> list[tuple[float]]:
    return stage.airflow.database(
        "select retry_delay_override from task_instance_history where dag_id = ? and run_id = ? and try_number = 1",
        stage.dag_id,
        stage.run_id,
    )


@pytest.mark.parametrize("played", [Play("refused", be_refused)], ids=["refused"], indirect=True)
def test_what_waiting_cannot_cure_is_tried_once(played: Stage) -> None:
    assert played.state() == "failed", played.explain()
    assert len(played.tries()) == 1, played.explain()
    assert len(played.posts()) == 1, played.explain()
    assert not played.sells(), played.explain()
    assert "PermissionDenied" in played.task_log(), played.explain()
