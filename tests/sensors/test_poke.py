"""Poke mode: the sensor waits asleep, in its worker."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api.errors import (
    BalancesStalled,
)
from tests.fakes import SETTLED, UNSOLD

pytestmark = pytest.mark.parametrize("mode", ["poke"], indirect=True)


def test_each_try_has_the_whole_timeout(harness, exchange):
    exchange((0, UNSOLD), (700, SETTLED))
    with pytest.raises(BalancesStalled):
        harness.run(timeout=650)
    harness.ti.try_number = 2
    assert harness.run(timeout=650)["reads"] >= 2


def test_poke_alone_returns_whether_the_wait_is_over(harness, exchange):
    exchange((0, SETTLED))
    sensor = harness.sensor()
    assert not sensor.poke(harness.context)
    outcome = sensor.poke(harness.context)
    assert outcome
    assert outcome.xcom_value["target_amount"] == "1.09"
