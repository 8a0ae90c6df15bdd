"""Kill a liquidation at every point that matters: whatever is left of it, exactly one sell is carried out.

Once the task's process is killed; once its supervisor, so that the task runs on as an orphan beside the next try.
"""

from __future__ import annotations

import signal
from typing import Any

import psutil
import pytest

from tests.scheduler.case_and_cluster import Play, Stage, is_gone, send_signal

pytestmark = pytest.mark.scheduler

# Where the process is killed: what happens to the sell of the first try then, how many POSTs that makes, and how the
# task knows in the end that the account was sold.
#: By the injection in the task's process.
POINTS = {
    "before_intent": ("before intent", 1, "accepted"),
    "after_intent": ("after intent", 1, "accepted"),
    "before_outcome": ("before outcome", 1, "reconciled"),
    "after_outcome": ("after outcome", 1, "recorded"),
    "before_return": ("before return", 1, "recorded"),
}
#: While the simulator holds the sell, before or after carrying it out; released after the kill, or discarded.
IN_FLIGHT = {
    "in_flight_lost": ("before", True, 2, "accepted"),
    "in_flight_applied_later": ("before", False, 1, "reconciled"),
    "in_flight_applied": ("after", False, 1, "reconciled"),
}
#: The orphan of a killed supervisor goes on from where it is, so that its sell leaves.
ORPHANS = {"after_intent": "reconciled"}
VICTIMS = ("task", "supervisor")
#: Plays that wait for a heartbeat's timeout take longest.
SUPERVISOR_CELL_SECONDS = 30


def kill_at_points(stage: Stage) -> None:
    stage.trigger(**stage.play.facts["injections"])
    finish(stage)


def kill_in_flight(stage: Stage) -> None:
    facts = stage.play.facts
    stage.hold_sell(facts["hold"])
    stage.trigger()
    held = stage.wait_held()
    kill(stage)
    stage.simulator.release(held, discard=facts["discard"])
    finish(stage)


def kill_in_flight_until_next_try(stage: Stage) -> None:
    """Keep the orphan's sell in flight until the next try watches the account, then carry it out."""
    stage.hold_sell("before")
    stage.trigger()
    held = stage.wait_held()
    kill(stage)
    stage.wait_for("the next try to watch", lambda: stage.simulator.journal(path=f"{stage.account_path}/load_balances"))
    assert not is_gone(started(stage)["pid"]), stage.explain()
    stage.simulator.release(held)
    finish(stage)


def freeze(stage: Stage) -> None:
    """Stop the first try's processes at a point, and let them go on when the next try is over."""
    facts = stage.play.facts
    stage.trigger(try1=f"wait at {facts['point']}")
    stage.wait_for("the point", lambda: stage.told("reached"))
    task, supervisor = started(stage)["pid"], started(stage)["supervisor"]
    stopped = [supervisor] if facts["victim"] == "supervisor" else [task, supervisor]
    send_signal(signal.SIGSTOP, *stopped)
    if facts["victim"] == "supervisor":
        stage.let_go_on()
    state = stage.wait_for_end()
    assert state == "success", stage.explain()
    assert not is_gone(task), stage.explain()
    stage.let_go_on()
    send_signal(signal.SIGCONT, *stopped)
    finish(stage)


def started(stage: Stage) -> dict[str, Any]:
    """Return what the first try has told of its processes."""
    facts: dict[str, Any] = stage.wait_for("the first try", lambda: stage.told("started"))
    return facts


def kill(stage: Stage) -> None:
    """Kill what the cell is about, from outside."""
    processes = started(stage)
    if stage.play.facts["victim"] == "task":
        send_signal(signal.SIGKILL, processes["pid"])
        return
    task = psutil.Process(processes["pid"])
    send_signal(signal.SIGKILL, processes["supervisor"])
    stage.wait_for("the task to be an orphan", lambda: task.ppid() != processes["supervisor"], 10)


def finish(stage: Stage) -> None:
    """Wait for the end of the run and of what is left of its tries."""
    stage.wait_for_end()
    started(stage)
    pids = [facts["pid"] for facts in stage.trace() if facts["event"] == "started"]
    stage.wait_for("the end of the tries' processes", lambda: all(is_gone(pid) for pid in pids), 60)


def cells() -> list[Play]:
    plays = []
    for victim in VICTIMS:
        common = {"victim": victim, "takes": SUPERVISOR_CELL_SECONDS if victim == "supervisor" else 0}
        given_up = 2 if victim == "supervisor" else 1
        for name, (point, posts, outcome) in POINTS.items():
            how = ORPHANS.get(name, outcome) if victim == "supervisor" else outcome
            injections = {"try1": f"kill {victim} at {point}"}
            facts = {**common, "injections": injections, "posts": posts, "outcome": how}
            plays.append(Play(f"{victim}_{name}", kill_at_points, "kill_matrix", facts, given_up))
        for name, (hold, discard, posts, outcome) in IN_FLIGHT.items():
            facts = {**common, "hold": hold, "discard": discard, "posts": posts, "outcome": outcome}
            plays.append(Play(f"{victim}_{name}", kill_in_flight, "kill_matrix", facts, given_up))
    until, facts = kill_in_flight_until_next_try, {**common, "posts": 1, "outcome": "reconciled"}
    plays.append(Play("supervisor_in_flight_until_next_try", until, "patient_kill_matrix", facts, given_up))
    return plays


def double_kills() -> list[Play]:
    unsold = {"try1": "kill task at after intent", "try2": "kill supervisor at before sending"}
    sold = {"try1": "kill task at before outcome", "try2": "kill task at before outcome"}
    common = {"posts": 1, "tries": 3, "takes": SUPERVISOR_CELL_SECONDS}
    return [
        Play("twice_unsold", kill_at_points, "kill_matrix", {**common, "injections": unsold, "outcome": "accepted"}, 3),
        Play("twice_sold", kill_at_points, "kill_matrix", {**common, "injections": sold, "outcome": "reconciled"}, 2),
    ]


def frozen(name: str, point: str, victim: str = "both") -> Play:
    common = {"posts": 1, "outcome": "accepted", "takes": SUPERVISOR_CELL_SECONDS}
    return Play(f"frozen_{name}", freeze, "kill_matrix", {**common, "point": point, "victim": victim}, 2)


FREEZES = [
    frozen("before_sending", "before sending"),
    frozen("before_intent", "before intent"),
    frozen("after_intent", "after intent"),
    frozen("supervisor_before_intent", "before intent", victim="supervisor"),
]


def judge(stage: Stage) -> None:
    """Assert what holds in every cell."""
    facts, liquidation, account = stage.play.facts, stage.xcom("liquidation"), stage.xcom("return_value")
    assert stage.state() == "success", stage.explain()
    assert len(stage.sells()) == 1, stage.explain()
    assert len(stage.posts()) == facts["posts"], stage.explain()
    assert liquidation["outcome"] == facts["outcome"], stage.explain()
    assert account["id"] == stage.account.id, stage.explain()
    assert len(stage.tries()) == facts.get("tries", 2), stage.explain()
    for name, order in facts.get("injections", {}).items():
        number = int(name.removeprefix("try"))
        assert stage.told("reached", number), stage.explain()
        assert "supervisor" not in order or stage.told("orphaned", number), stage.explain()


@pytest.mark.parametrize("played", cells(), ids=lambda play: play.name, indirect=True)
def test_killed_anywhere_it_sells_once(played: Stage) -> None:
    judge(played)


@pytest.mark.parametrize("played", double_kills(), ids=lambda play: play.name, indirect=True)
def test_killed_twice_it_sells_once(played: Stage) -> None:
    judge(played)


@pytest.mark.parametrize("played", FREEZES, ids=lambda play: play.name, indirect=True)
def test_frozen_until_given_up_it_sends_nothing(played: Stage) -> None:
    judge(played)
    next_try = played.told("started", 2)
    assert next_try is not None, played.explain()
    assert played.posts()[0]["time"] > next_try["time"], played.explain()
    end = played.told("ended", 1)
    assert end is None or end["error"], played.explain()
