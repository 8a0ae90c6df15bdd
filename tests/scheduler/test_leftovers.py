"""When all cases are over and Airflow has ended: no late sell, no secret, no process is left."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.scheduler.cases import CaseRun
    from tests.scheduler.cluster import Cluster


pytestmark = pytest.mark.scheduler


@pytest.fixture
def ended(cluster: Cluster, case_runs: dict[str, Future[CaseRun]]) -> Cluster:
    """Airflow has ended, after all cases that were selected."""
    if not case_runs:
        pytest.skip("no case was selected")
    for future in case_runs.values():
        future.exception()
    cluster.airflow.stop()
    return cluster


def test_no_account_was_sold_twice(ended: Cluster) -> None:
    sells = Counter(sell["account_id"] for sell in ended.simulator.sells())
    sold_twice = [name for name, account in ended.accounts.items() if sells[account.id] > 1]
    assert not sold_twice, ended.simulator.sells()


def test_no_secret_is_left_in_logs_or_metadata(ended: Cluster) -> None:
    home = ended.airflow.home
    written = {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any(path.name == "attempt=1.log" for path in written)
    secrets = [
        secret
        for account in ended.accounts.values()
        for secret in (account.api_key, account.secret, account.exchange_key)
    ]
    assert not [(path, secret) for path, bytes_ in written.items() for secret in secrets if secret.encode() in bytes_]


def test_no_process_is_left(ended: Cluster) -> None:
    assert not ended.airflow.processes()
