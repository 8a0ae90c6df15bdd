"""A simulator process for all tests of this folder, started over before each, and a bare client for it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_3commas.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = "/public/api"


@dataclass
class Answer:
    """A reply as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)


class Api:
    """Call the API over one connection, with the standard library only."""

    def __init__(self, port: int, key: str, secret: str) -> None:
        self.key, self.secret = key, secret
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def sign(self, target: str) -> str:
        return hmac.new(self.secret.encode(), target.encode(), hashlib.sha256).hexdigest()

    def __call__(self, method: str, path: str, body: str | None = None, **headers: str | None) -> Answer:
        target = PREFIX + path
        sent = {"Apikey": self.key, "Signature": self.sign(target)}
        changed = {name.replace("_", "-").title(): value for name, value in headers.items()}
        sent = {name: value for name, value in {**sent, **changed}.items() if value is not None}
        self.connection.request(method, target, body, sent)
        reply = self.connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def sell(self, account_id: int | str = Simulator.account_id, target: str = "btc") -> Answer:
        return self("POST", f"/ver1/accounts/{account_id}/sell_all_to_{target}")

    def rows(self, account_id: int = Simulator.account_id) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self("POST", f"/ver1/accounts/{account_id}/account_table_data").json
        return rows

    def account(self, account_id: int = Simulator.account_id) -> dict[str, Any]:
        account: dict[str, Any] = self("GET", f"/ver1/accounts/{account_id}").json
        return account


@pytest.fixture(scope="session")
def process() -> Iterator[Simulator]:
    with Simulator(speed=0) as simulator:
        yield simulator


@pytest.fixture
def sim(process: Simulator) -> Iterator[Simulator]:
    """The simulator with its market's clock standing still."""
    process.reset("calm", speed=0)
    yield process
    process.clear_faults()
    process.release(discard=True)


@pytest.fixture
def api_for(sim: Simulator) -> Iterator[Callable[..., Api]]:
    opened: list[Api] = []

    def make(key: str = sim.api_key, secret: str = sim.secret) -> Api:
        opened.append(Api(sim.port, key, secret))
        return opened[-1]

    yield make
    for api in opened:
        api.connection.close()


@pytest.fixture
def api(api_for: Callable[..., Api]) -> Api:
    return api_for()
