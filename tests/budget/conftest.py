"""Redis, and budgets over every store."""

from __future__ import annotations

import uuid

import pytest

from airflow_provider_3commas.budget import RequestBudget
from tests.budget.budgets import REAL, Clock
from tests.budget.redis_servers import redis_server


@pytest.fixture
def redis_url(tmp_path):
    with redis_server(tmp_path) as (_, url):
        yield url


@pytest.fixture(scope="module")
def module_redis_url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budgets(tmp_path, clock):
    """Make budgets that share a file, and close them."""
    made = []

    def make(api_key: str = "key", base_url: str = REAL, **options) -> RequestBudget:
        options = {"path": tmp_path / "home" / "budget.sqlite", "clock": clock, **options}
        made.append(RequestBudget(api_key, base_url, **options))
        return made[-1]

    yield make
    for budget in made:
        budget.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def stores(request, tmp_path, clock):
    """Make budgets of a key of this test's own, which share one store."""
    if request.param == "redis":
        options = {"url": request.getfixturevalue("module_redis_url")}
    else:
        options = {"url": "memory://"} if request.param == "memory" else {"path": tmp_path / "budget.sqlite"}
    made, key = [], uuid.uuid4().hex

    def make(suffix: str = "", base_url: str = REAL) -> RequestBudget:
        made.append(RequestBudget(key + suffix, base_url, clock=clock, **options))
        return made[-1]

    yield make
    for budget in made:
        budget.close()


@pytest.fixture
def claims(stores):
    return stores().claims


@pytest.fixture
def others(stores):
    """Return the claims as another process would see them."""
    return stores().claims


@pytest.fixture
def sqlite_budget(tmp_path, clock):
    budget = RequestBudget(uuid.uuid4().hex, REAL, clock=clock, path=tmp_path / "budget.sqlite")
    yield budget
    budget.close()
