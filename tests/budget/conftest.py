"""Redis, for the tests that want one."""

from __future__ import annotations

import pytest

from tests.budget.redis_servers import redis_server


@pytest.fixture
def redis_url(tmp_path):
    with redis_server(tmp_path) as (_, url):
        yield url


@pytest.fixture(scope="module")
def module_redis_url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url
