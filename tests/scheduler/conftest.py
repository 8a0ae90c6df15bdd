"""One Airflow and one simulator for all tests of this folder; their cases run at the same time.

A test gets its case with ``@pytest.mark.parametrize("case_run", [...], indirect=True)``.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.scheduler.cases import LONGEST, Case, CaseRun
from tests.scheduler.cluster import DAG_IDS, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Cases at the same time: few enough for two cores, and for SQLite.
AT_ONCE = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look for what was left behind when everything else is over."""
    items.sort(key=lambda item: item.path.parts[-2:] == ("scheduler", "test_leftovers.py"))


@pytest.fixture(scope="session")
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """The cases of the tests that were selected, those that take longest first."""
    chosen = {
        item.callspec.params["case_run"].name: item.callspec.params["case_run"]
        for item in request.session.items
        if hasattr(item, "callspec") and "case_run" in item.callspec.params
    }
    return sorted(chosen.values(), key=lambda case: -case.parameters.get("takes", 0))


@pytest.fixture(scope="session")
def cluster(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if tuple(map(int, version("apache-airflow").split(".")[:2])) < (3, 3):
        pytest.skip("before Airflow 3.3 there is no task state store, and a later try never sells")
    cluster = Cluster(cases, tmp_path_factory.mktemp("scheduler"))
    try:
        cluster.airflow.wait_until_ready(DAG_IDS)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def case_runs(cluster: Cluster, cases: list[Case]) -> Iterator[dict[str, Future[CaseRun]]]:
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        exclusive = {case.name: pool.submit(cluster.run, case) for case in cases if case.exclusive}
        wait(exclusive.values())
        yield exclusive | {case.name: pool.submit(cluster.run, case) for case in cases if not case.exclusive}
    finally:
        # What still waits for Airflow fails as soon as that is gone.
        cluster.stop()
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def case_run(request: pytest.FixtureRequest, case_runs: dict[str, Future[CaseRun]]) -> CaseRun:
    """A case that is over; a summary of it goes into the report that ``--junit-xml`` asks for."""
    case_run = case_runs[request.param.name].result(timeout=3 * LONGEST)
    request.node.user_properties.extend(case_run.summary().items())
    return case_run
