"""Calls about the user and the service: ``validate``, the mode, ``ping`` and ``time``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call


def ping(call: Call) -> Any:
    """Return what the real one did as long as it was documented."""
    _check_answered(call)
    return {"pong": "pong"}


def time(call: Call) -> Any:
    """Return the clock's time, as the real one did as long as it was documented."""
    _check_answered(call)
    return {"server_time": int(call.entry.time)}


def _check_answered(call: Call) -> None:
    if not call.simulation.settings.ping_and_time:
        raise api_errors.not_found()


def validate(_: Call) -> Any:
    """Return that key and signature are right: nobody comes here otherwise."""
    return {"valid": True}


def change_mode(call: Call) -> Any:
    """Choose which accounts calls without ``Forced-Mode`` mean."""
    mode = call.params.get("mode")
    if mode not in ("real", "paper"):
        raise api_errors.record_invalid(mode="is not included in the list")
    call.simulation.mode = "paper" if mode == "paper" else "real"
    return {"mode": mode}
