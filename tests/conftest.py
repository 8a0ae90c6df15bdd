"""A real Airflow of this test run's own: nothing of the caller's is read, and nothing outlives the run.

The environment is set when pytest imports this file, before anything imports Airflow.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow.models import DagRun
    from airflow.sdk import DAG

    from airflow_provider_3commas.simulator import Simulator

ROOT = Path(__file__).resolve().parents[1]

# A property is right or wrong, however long a loaded machine takes for an example.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

for _name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[_name]
_AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))
(_AIRFLOW_HOME / "dags").mkdir()
os.environ.update(
    AIRFLOW_HOME=str(_AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(_AIRFLOW_HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
    # Loopback must not go through a proxy that the machine may have.
    NO_PROXY="127.0.0.1,localhost",
    no_proxy="127.0.0.1,localhost",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask for the tests that need more than Python."""
    parser.addoption("--ui", action="store_true", help="collect tests/ui, which needs Chromium and the extra 'ui'")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the browser to ``make test-ui``."""
    return True if collection_path == ROOT / "tests" / "ui" and not config.getoption("--ui") else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so."""
    return None if config.getoption("--ui") else "left out: tests/ui (make test-ui)"


def pytest_configure(config: pytest.Config) -> None:
    """Let warnings that only Airflow or what it brings can cure pass; our own stay errors."""
    for warning in (
        # Starlette, of the httpx that Airflow brings; Airflow's in-process API server imports its test client.
        "ignore:Using `httpx` with `starlette.testclient` is deprecated",
        # Starlette, of a name that the API server of Airflow 3.1 uses.
        "ignore:'HTTP_422_UNPROCESSABLE_ENTITY' is deprecated:DeprecationWarning",
        # redis before 5.1, of a Unix socket at which nobody listens.
        "ignore:unclosed .socket.socket fd=[0-9]+, family=1,:ResourceWarning",
        # Airflow 3.1, of its own way to read a connection from the environment.
        "ignore:Using Connection.from_json from `airflow.models` is deprecated:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", warning)


def pytest_unconfigure() -> None:
    """Remove the Airflow home."""
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Return an Airflow home with a migrated metadata database, SQLite."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    return _AIRFLOW_HOME


@pytest.fixture(scope="session")
def _simulator_process() -> Iterator[Simulator]:
    from airflow_provider_3commas.simulator import Simulator

    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulate(
    _simulator_process: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Simulator]:
    """Start a scenario over in a simulator process, and make it what ``threecommas_default`` leads to."""

    def start(scenario: str | dict[str, Any] = "calm", *, speed: float = 60, **extra: Any) -> Simulator:
        simulator = _simulator_process
        simulator.clear_faults()
        simulator.reset(scenario, speed=speed)
        simulator.clear_journal()
        # Tests ask more often than people may; tests of the limits are elsewhere.
        simulator.rate_limit(enabled=False)
        extra = {"requests_per_minute": 10_000, "budget_url": f"sqlite:///{tmp_path}/budget.sqlite", **extra}
        monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(connection_to(simulator, **extra)))
        return simulator

    return start


def connection_to(simulator: Simulator, **extra: Any) -> dict[str, Any]:
    """Return the connection to a simulator, in Airflow's JSON form."""
    return {
        "conn_type": "threecommas",
        "host": simulator.url,
        "login": simulator.api_key,
        "password": simulator.secret,
        "extra": extra,
    }


class Run:
    """A finished DAG run."""

    def __init__(self, dag_run: DagRun) -> None:
        self.dag_run = dag_run

    @property
    def state(self) -> str:
        return str(self.dag_run.state)

    def states(self) -> dict[str, str]:
        """Return the tasks' states by task id, those of mapped tasks by ``task_id[index]``."""
        return {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in self.dag_run.get_task_instances()
        }

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom as the database has it; ``None`` if there is none."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            row = session.scalar(
                select(XComModel).where(
                    XComModel.dag_id == self.dag_run.dag_id,
                    XComModel.run_id == self.dag_run.run_id,
                    XComModel.task_id == task_id,
                    XComModel.key == key,
                    XComModel.map_index == map_index,
                )
            )
            return None if row is None else XComModel.deserialize_value(row)

    def map_index_labels(self, task_id: str) -> list[str]:
        """Return the names that Airflow shows for a mapped task's instances, by index."""
        mapped = [ti for ti in self.dag_run.get_task_instances() if ti.task_id == task_id]
        return [ti.rendered_map_index for ti in sorted(mapped, key=lambda ti: ti.map_index)]

    def asset_events(self) -> list[Any]:
        """Return the asset events that the run's tasks have emitted."""
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select
        from sqlalchemy.orm import joinedload

        query = (
            select(AssetEvent)
            .where(AssetEvent.source_dag_id == self.dag_run.dag_id, AssetEvent.source_run_id == self.dag_run.run_id)
            .options(joinedload(AssetEvent.asset))
        )
        with create_session() as session:
            events = list(session.scalars(query))
            session.expunge_all()
            return events


def _dag_bag() -> tuple[Any, Any]:
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag, sync_bag_to_db
    return DagBag, sync_bag_to_db


@pytest.fixture
def run_dag(airflow_home: Path) -> Callable[..., Run]:
    """Run a DAG in this process with Airflow's own ``dag.test()``: real tasks, real database, no scheduler.

    ``dag.test()`` does not enforce the timeout of a deferral and masks nothing in logs: see ``airflow_subprocess``.
    """

    def run(dag: DAG, params: Mapping[str, Any] | None = None) -> Run:
        DagBag, sync_bag_to_db = _dag_bag()
        bag = DagBag(os.devnull)
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        return Run(dag.test(run_conf=dict(params or {})))

    return run


@pytest.fixture
def example_dag() -> Callable[[str], DAG]:
    """Load a DAG from ``example_dags/`` as it is there."""

    def load(dag_id: str) -> DAG:
        DagBag, _ = _dag_bag()
        bag = DagBag(str(ROOT / "example_dags" / f"{dag_id}.py"))
        assert not bag.import_errors
        return bag.dags[dag_id]

    return load
