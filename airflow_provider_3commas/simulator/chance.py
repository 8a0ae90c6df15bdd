"""What happens by chance: how long answers take, the same way in every run with the same seed."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist
from typing import Literal

from airflow_provider_3commas.simulator.records import Seconds, Strict

_P99 = NormalDist().inv_cdf(0.99)


class LatencySpec(Strict):
    """How long answers take, in real time.

    :param distribution: ``lognormal``, by median and p99, or ``uniform``, between the least and the most.
    :param median_seconds: half of the answers take less.
    :param p99_seconds: one of a hundred takes more; if left out, all take the median.
    :param least_seconds: the shortest of a ``uniform`` one.
    :param most_seconds: the longest, of either.
    """

    distribution: Literal["lognormal", "uniform"] = "lognormal"
    median_seconds: Seconds = 0.2
    p99_seconds: Seconds | None = None
    least_seconds: Seconds = 0
    most_seconds: Seconds = 60

    def __post_init__(self) -> None:
        if self.p99_seconds is not None and not 0 < self.median_seconds <= self.p99_seconds:
            raise ValueError("p99_seconds is less than median_seconds, or those are zero")
        if self.least_seconds > self.most_seconds:
            raise ValueError("least_seconds is more than most_seconds")


class Latency:
    """Draws how long one answer after another takes."""

    def __init__(self, spec: LatencySpec, seed: object) -> None:
        self._spec = spec
        self._random = Random(f"latency:{seed}")  # noqa: S311 - a simulation, which has to be repeatable

    def seconds(self) -> float:
        """Return how long the next answer takes."""
        spec = self._spec
        if spec.distribution == "uniform":
            return self._random.uniform(spec.least_seconds, spec.most_seconds)
        if spec.p99_seconds is None:
            return min(spec.median_seconds, spec.most_seconds)
        sigma = math.log(spec.p99_seconds / spec.median_seconds) / _P99
        return min(self._random.lognormvariate(math.log(spec.median_seconds), sigma), spec.most_seconds)
