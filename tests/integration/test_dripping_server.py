"""Tasks end in the time that they promise, though every answer drips for ever."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import DAG

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


class Dripping(socketserver.BaseRequestHandler):
    """Answer with one byte after the other, as long as anybody listens."""

    def handle(self) -> None:
        self.server.requests.append(self.request.recv(65536).split(b" HTTP/")[0])
        try:
            self.request.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n{")
            while True:
                self.request.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            self.server.given_up += 1


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    requests: list[bytes]
    given_up = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with Server(("127.0.0.1", 0), Dripping) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        connection = {
            "conn_type": "threecommas",
            "host": f"http://127.0.0.1:{server.server_address[1]}",
            "login": "the-key",
            "password": "the-secret",
            "extra": {
                "timeout": 1,
                "requests_per_minute": 10_000,
                "budget_url": f"sqlite:///{tmp_path}/budget.sqlite",
            },
        }
        monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(connection))
        yield server
        server.shutdown()


@pytest.mark.parametrize("deferrable", [False, True])
def test_liquidation_and_wait_end(server: Server, run_dag: Callable[..., Run], deferrable: bool) -> None:
    with DAG(f"dripping_{deferrable}", schedule=None) as dag:
        liquidate = SellAllToBtcOperator(
            task_id="liquidate", account_id=12, preflight=False, reconcile_for=timedelta(seconds=4), retries=0
        )
        settled = BalancesSettledSensor(
            task_id="settled",
            account_id=12,
            timeout=4,
            poke_interval=0.2,
            retries=0,
            deferrable=deferrable,
            trigger_rule="all_done",
        )
        liquidate >> settled
    run = run_dag(dag)

    assert run.states() == {"liquidate": "failed", "settled": "failed"}
    assert run.xcom("liquidate", "liquidation")["outcome"] == "unknown"
    assert sum(b"sell_all" in request for request in server.requests) == 1
    # The watch and the wait went on asking: nothing held them up for longer than the connection's timeout.
    assert len(server.requests) >= 4
    assert server.given_up >= len(server.requests) - 1
