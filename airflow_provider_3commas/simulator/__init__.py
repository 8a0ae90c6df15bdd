"""A 3Commas on loopback: try a DAG, a hook or a client without an account and without money.

Start it with ``python -m airflow_provider_3commas.simulator --port 8080`` or, from Python,
with :class:`Simulator`. It imports neither Airflow nor the client of this package: it is a
second reading of the API's documentation, so that the two can disagree.

A request passes ``server`` (its connection), ``app`` (log, rate limit, faults), ``endpoints`` (key, permission),
``handlers`` (what the call does) and ``payloads`` (the JSON of the reply). ``simulation`` holds what exists meanwhile,
``scenarios`` describes what it starts from, and ``control`` is the interface to it under ``/simulator/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.process import Simulator, SimulatorError

__all__ = ["Simulator", "SimulatorError"]


def __getattr__(name: str) -> Any:
    """Import the process helper on first use only: ``--help`` and the server need none of it."""
    if name in __all__:
        from airflow_provider_3commas.simulator import process

        return getattr(process, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
