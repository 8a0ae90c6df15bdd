"""One Airflow and one simulator for all tests of this folder; what they judge is played at the same time.

A test gets its play with ``@pytest.mark.parametrize("played", [...], indirect=True)``.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.scheduler.case_and_cluster import DAG_IDS, LONGEST, Play, Stage, World

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Plays at the same time: few enough for two cores, and for SQLite.
AT_ONCE = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look for what was left behind when everything else is over."""
    items.sort(key=lambda item: item.path.parts[-2:] == ("scheduler", "test_leftovers.py"))


@pytest.fixture(scope="session")
def plays(request: pytest.FixtureRequest) -> list[Play]:
    """The plays of the tests that were selected, those that take longest first."""
    chosen = {
        item.callspec.params["played"].name: item.callspec.params["played"]
        for item in request.session.items
        if hasattr(item, "callspec") and "played" in item.callspec.params
    }
    return sorted(chosen.values(), key=lambda play: -play.facts.get("takes", 0))


@pytest.fixture(scope="session")
def world(plays: list[Play], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if tuple(map(int, version("apache-airflow").split(".")[:2])) < (3, 3):
        pytest.skip("before Airflow 3.3 there is no task state store, and a later try never sells")
    world = World(plays, tmp_path_factory.mktemp("scheduler"))
    try:
        world.airflow.wait_until_ready(DAG_IDS)
        yield world
    finally:
        world.stop()


@pytest.fixture(scope="session")
def stages(world: World, plays: list[Play]) -> Iterator[dict[str, Future[Stage]]]:
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        alone = {play.name: pool.submit(world.act, play) for play in plays if play.alone}
        wait(alone.values())
        yield alone | {play.name: pool.submit(world.act, play) for play in plays if not play.alone}
    finally:
        # What still waits for Airflow fails as soon as that is gone.
        world.stop()
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def played(request: pytest.FixtureRequest, stages: dict[str, Future[Stage]]) -> Stage:
    """What was seen of a play that is over; a summary of it goes into the report that ``--junit-xml`` asks for."""
    stage = stages[request.param.name].result(timeout=3 * LONGEST)
    request.node.user_properties.extend(stage.summary().items())
    return stage
