"""Time that passes by itself, and an exchange in place of connections."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import time_machine

from airflow_provider_3commas.settlement import poller
from tests.fakes import START, ScriptedClient


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def connected(monkeypatch):
    """Connect the triggers to an exchange, or to one after the other; return the connection ids asked for."""

    def to(*exchanges: ScriptedClient) -> list[str]:
        asked: list[str] = []

        async def connect(conn_id: str) -> ScriptedClient:
            asked.append(conn_id)
            return exchanges[min(len(asked), len(exchanges)) - 1]

        monkeypatch.setattr(poller, "connect", connect)
        return asked

    return to


class ExchangeServer(ThreadingHTTPServer):
    """Answer over real sockets that nothing has been sold yet, and count."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.connections = 0
        self.requests = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request, client_address) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        self.server.requests += 1
        account_id, endpoint = self.path.split("/")[-2:]
        answers = {
            "load_balances": {"id": int(account_id), "btc_amount": "1.09", "usd_amount": "65000"},
            "account_table_data": [
                {"currency_code": "BTC", "position": "1", "btc_value": "1", "on_orders": "0"},
                {"currency_code": "ETH", "position": "2", "btc_value": "0.09", "on_orders": "0"},
            ],
        }
        body = json.dumps(answers[endpoint]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def exchange_server():
    with ExchangeServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
