"""Lets the hook's results through Airflow's XComs, with nothing to configure."""

from __future__ import annotations


def allow_hook_results() -> None:
    """Allow Airflow to build what the hook returns from an XCom, in this process."""
    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.api.exact_values import ExactDecimal

    try:
        from airflow.sdk import serde
    except ImportError:  # before Airflow 3.2
        from airflow.serialization import serde  # type: ignore[attr-defined,no-redef]
    for kind in (BalanceRow, ExactDecimal):
        if hasattr(serde, "allow_class"):
            serde.allow_class(kind)
        else:
            serde._extra_allowed.add(f"{kind.__module__}.{kind.__qualname__}")
