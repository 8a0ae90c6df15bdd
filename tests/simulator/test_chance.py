"""Delays and faults by chance: as often and as long as told, and the same again with the same seed."""

from __future__ import annotations

import statistics
import time

import pytest

from airflow_provider_3commas.simulator import SimulatorError
from airflow_provider_3commas.simulator.chance import Latency, LatencySpec
from airflow_provider_3commas.simulator.faults import Fault, Faults

TIMES = "/ver1/validate"


def scenario(seed, **more):
    fault = {"action": "status", "status": 503, "path": "validate", "times": None, "probability": 0.5}
    return {"extends": "calm", "seed": seed, "rate_limit": {"enabled": False}, "faults": [fault], **more}


def statuses(api, count=40):
    return [api("GET", TIMES).status for _ in range(count)]


def test_same_seed_gives_the_same_faults(sim, api):
    runs = []
    for seed in (1, 2, 1):
        sim.reset(scenario(seed))
        runs.append(statuses(api))
    assert runs[0] == runs[2] != runs[1]
    assert {200, 503} == set(runs[0])


def test_reset_repeats_the_run(sim, api):
    sim.reset(scenario(3))
    first = statuses(api)
    sim.reset()
    assert statuses(api) == first


def test_requests_that_a_fault_is_not_for_do_not_change_the_run(sim, api):
    sim.reset(scenario(1))
    first = statuses(api, 20)
    sim.reset()
    mixed = []
    for _ in range(20):
        assert api("GET", "/ver1/accounts").status == 200
        mixed += statuses(api, 1)
    assert mixed == first


def test_ordered_faults_follow_the_seed_too(sim, api):
    def run(seed):
        sim.reset({"extends": "calm", "seed": seed, "rate_limit": {"enabled": False}})
        sim.fault("status", path="validate", status=503, times=None, probability=0.3)
        return statuses(api)

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_fault_may_have_a_seed_of_its_own(sim, api):
    def run(seed):
        sim.reset({"extends": "calm", "seed": seed, "rate_limit": {"enabled": False}})
        sim.fault("status", path="validate", status=503, times=None, probability=0.5, seed=99)
        return statuses(api)

    assert run(1) == run(2)


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.5, 1.0])
def test_faults_hit_as_often_as_told(probability):
    faults = Faults()
    faults.start(5)
    faults.add(Fault(action="drop", times=None, probability=probability))
    hits = sum(faults.take("GET", "/x") is not None for _ in range(4000))
    assert hits == pytest.approx(4000 * probability, abs=110)
    assert faults.all()[0].hits == hits


def test_times_counts_hits_and_skip_requests():
    faults = Faults()
    faults.start(5)
    faults.add(Fault(action="drop", times=3, skip=10, probability=0.5))
    hit = [faults.take("GET", "/x") is not None for _ in range(60)]
    assert (sum(hit), any(hit[:10])) == (3, False)


def test_two_faults_of_a_run_do_not_hit_together():
    faults = Faults()
    faults.start(5)
    for path in ("/a", "/b"):
        faults.add(Fault(action="drop", path=path, times=None, probability=0.5))
    hits = {path: [faults.take("GET", path) is not None for _ in range(50)] for path in ("/a", "/b")}
    assert hits["/a"] != hits["/b"]


class TestLatency:
    def seconds(self, count=4000, seed=1, **spec):
        latency = Latency(LatencySpec(**spec), seed)
        return [latency.seconds() for _ in range(count)]

    def test_log_normal_has_the_median_and_the_p99_that_were_asked_for(self):
        drawn = sorted(self.seconds(median_seconds=0.2, p99_seconds=2))
        assert statistics.median(drawn) == pytest.approx(0.2, rel=0.1)
        assert drawn[int(len(drawn) * 0.99)] == pytest.approx(2, rel=0.3)
        assert min(drawn) > 0

    def test_uniform_lies_between(self):
        drawn = self.seconds(distribution="uniform", least_seconds=0.1, most_seconds=0.3)
        assert 0.1 <= min(drawn) < 0.11
        assert 0.29 < max(drawn) <= 0.3

    def test_never_longer_than_the_longest(self):
        assert max(self.seconds(median_seconds=1, p99_seconds=50, most_seconds=4)) == 4

    def test_without_a_p99_it_is_always_the_same(self):
        assert set(self.seconds(5, median_seconds=0.25)) == {0.25}

    def test_same_seed_gives_the_same_delays(self):
        spec = {"median_seconds": 0.2, "p99_seconds": 2}
        assert self.seconds(50, **spec) == self.seconds(50, **spec)
        assert self.seconds(50, **spec) != self.seconds(50, seed=2, **spec)

    @pytest.mark.parametrize(
        "spec",
        [
            {"median_seconds": 1, "p99_seconds": 0.5},
            {"median_seconds": 0, "p99_seconds": 1},
            {"distribution": "uniform", "least_seconds": 2, "most_seconds": 1},
        ],
    )
    def test_distribution_that_is_none_is_refused(self, sim, spec):
        with pytest.raises(ValueError, match="seconds"):
            LatencySpec(**spec)
        with pytest.raises(SimulatorError, match="seconds"):
            sim.settings(latency=spec)


def took(api):
    started = time.monotonic()
    assert api("GET", TIMES).status == 200
    return time.monotonic() - started


def test_every_call_takes_its_time(sim, api):
    sim.settings(latency={"median_seconds": 0.15})
    assert took(api) >= 0.15
    sim.settings(latency=None)
    assert took(api) < 0.15


def test_latency_of_a_scenario(sim, api):
    sim.reset({"extends": "calm", "latency": {"distribution": "uniform", "least_seconds": 0.1, "most_seconds": 0.2}})
    assert 0.1 <= took(api) < 1


def test_delay_of_a_fault_by_distribution(sim, api):
    sim.fault("delay", path="validate", latency={"median_seconds": 0.15})
    assert took(api) >= 0.15
    assert took(api) < 0.15


def test_flaky_scenario_answers_most_calls_and_is_the_same_again(sim, api):
    runs = []
    for _ in range(2):
        sim.reset("flaky")
        sim.rate_limit(enabled=False)
        sim.settings(latency=None)
        runs.append([api("GET", "/ver1/accounts/32402783").status for _ in range(100)])
    assert runs[0] == runs[1]
    assert 50 < runs[0].count(200) < 100


@pytest.mark.parametrize(
    ("change", "message"), [({"probability": 1.5}, "probability"), ({"latency": {"median": 1}}, "median")]
)
def test_chance_that_is_none_is_refused(sim, change, message):
    with pytest.raises(SimulatorError, match=message):
        sim.fault("delay", **change)
    with pytest.raises(SimulatorError, match=message):
        sim.reset({"extends": "calm", "faults": [{"action": "delay", **change}]})
