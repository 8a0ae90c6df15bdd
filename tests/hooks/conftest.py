"""A simulator behind the default connection."""

from __future__ import annotations

import pytest


@pytest.fixture
def simulator(simulate):
    return simulate()


@pytest.fixture
def own_budget(monkeypatch, tmp_path):
    """A pause in one test must not reach the next."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
