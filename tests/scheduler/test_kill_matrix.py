"""Kill a liquidation at every point that matters: whatever is left of it, exactly one sell is carried out.

Once the task's process is killed; once its supervisor, so that the task runs on as an orphan beside the next try.
"""

from __future__ import annotations

import signal

import pytest

from tests.scheduler.cases import Case, CaseRun
from tests.scheduler.kill_points import IN_FLIGHT, ORPHANS, POINTS, SUPERVISOR_SECONDS, VICTIMS
from tests.scheduler.steps import (
    assert_sold_once,
    finish,
    is_gone,
    kill,
    kill_at_points,
    kill_in_flight,
    send_signal,
    started,
)

pytestmark = pytest.mark.scheduler


def kill_in_flight_until_next_try(case_run: CaseRun) -> None:
    """Keep the orphan's sell in flight until the next try watches the account, then carry it out."""
    case_run.hold_sell("before")
    case_run.trigger()
    held = case_run.wait_for_held_sell()
    kill(case_run)
    case_run.wait_for(
        "the next try to watch", lambda: case_run.simulator.journal(path=f"{case_run.account_path}/load_balances")
    )
    assert not is_gone(started(case_run)["pid"]), case_run.explain()
    case_run.simulator.release(held)
    finish(case_run)


def freeze(case_run: CaseRun) -> None:
    """Stop the first try's processes at a point, and let them go on when the next try is over."""
    parameters = case_run.case.parameters
    case_run.trigger(try1=f"wait at {parameters['point']}")
    case_run.wait_for("the point", lambda: case_run.reported_event("reached"))
    task, supervisor = started(case_run)["pid"], started(case_run)["supervisor"]
    stopped = [supervisor] if parameters["victim"] == "supervisor" else [task, supervisor]
    send_signal(signal.SIGSTOP, *stopped)
    if parameters["victim"] == "supervisor":
        case_run.resume_try()
    state = case_run.wait_for_end()
    assert state == "success", case_run.explain()
    assert not is_gone(task), case_run.explain()
    case_run.resume_try()
    send_signal(signal.SIGCONT, *stopped)
    finish(case_run)


def make_cases() -> list[Case]:
    cases = []
    for victim in VICTIMS:
        common = {"victim": victim, "takes": SUPERVISOR_SECONDS if victim == "supervisor" else 0}
        given_up = 2 if victim == "supervisor" else 1
        for name, (point, posts, outcome) in POINTS.items():
            how = ORPHANS.get(name, outcome) if victim == "supervisor" else outcome
            injections = {"try1": f"kill {victim} at {point}"}
            parameters = {**common, "injections": injections, "posts": posts, "outcome": how}
            cases.append(Case(f"{victim}_{name}", kill_at_points, "kill_matrix", parameters, given_up))
        for name, (hold, discard, posts, outcome) in IN_FLIGHT.items():
            parameters = {**common, "hold": hold, "discard": discard, "posts": posts, "outcome": outcome}
            cases.append(Case(f"{victim}_{name}", kill_in_flight, "kill_matrix", parameters, given_up))
    until, parameters = kill_in_flight_until_next_try, {**common, "posts": 1, "outcome": "reconciled"}
    cases.append(Case("supervisor_in_flight_until_next_try", until, "patient_kill_matrix", parameters, given_up))
    return cases


def double_kills() -> list[Case]:
    unsold = {"try1": "kill task at after intent", "try2": "kill supervisor at before sending"}
    sold = {"try1": "kill task at before outcome", "try2": "kill task at before outcome"}
    common = {"posts": 1, "tries": 3, "takes": SUPERVISOR_SECONDS}
    return [
        Case("twice_unsold", kill_at_points, "kill_matrix", {**common, "injections": unsold, "outcome": "accepted"}, 3),
        Case("twice_sold", kill_at_points, "kill_matrix", {**common, "injections": sold, "outcome": "reconciled"}, 2),
    ]


def frozen(name: str, point: str, victim: str = "both") -> Case:
    common = {"posts": 1, "outcome": "accepted", "takes": SUPERVISOR_SECONDS}
    return Case(f"frozen_{name}", freeze, "kill_matrix", {**common, "point": point, "victim": victim}, 2)


FREEZES = [
    frozen("before_sending", "before sending"),
    frozen("before_intent", "before intent"),
    frozen("after_intent", "after intent"),
    frozen("supervisor_before_intent", "before intent", victim="supervisor"),
]


def check(case_run: CaseRun) -> None:
    """Assert what holds in every cell."""
    parameters = case_run.case.parameters
    assert_sold_once(case_run, tries=parameters.get("tries", 2))
    for name, order in parameters.get("injections", {}).items():
        number = int(name.removeprefix("try"))
        assert case_run.reported_event("reached", number), case_run.explain()
        assert "supervisor" not in order or case_run.reported_event("orphaned", number), case_run.explain()


@pytest.mark.parametrize("case_run", make_cases(), ids=lambda case: case.name, indirect=True)
def test_killed_anywhere_it_sells_once(case_run: CaseRun) -> None:
    check(case_run)


@pytest.mark.parametrize("case_run", double_kills(), ids=lambda case: case.name, indirect=True)
def test_killed_twice_it_sells_once(case_run: CaseRun) -> None:
    check(case_run)


@pytest.mark.parametrize("case_run", FREEZES, ids=lambda case: case.name, indirect=True)
def test_frozen_until_given_up_it_sends_nothing(case_run: CaseRun) -> None:
    check(case_run)
    next_try = case_run.reported_event("started", 2)
    assert next_try is not None, case_run.explain()
    assert case_run.posts()[0]["time"] > next_try["time"], case_run.explain()
    end = case_run.reported_event("ended", 1)
    assert end is None or end["error"], case_run.explain()
