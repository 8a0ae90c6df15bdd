"""The parameters of a sell-all task, checked when the DAG is parsed and again when they are rendered."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.api.errors import ConfigurationError, ThreeCommasError
from airflow_provider_3commas.liquidation.sale import Sale
from airflow_provider_3commas.parameters import is_literal, parse_bool, parse_preflight, parse_seconds, parse_switch

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longest that ``max_lateness`` and ``not_within`` may be; who sold an account is not remembered for longer.
LONGEST = timedelta(days=30)
#: Longest that an account may be watched.
LONGEST_WATCH = timedelta(days=1)


def check_literals(written: Mapping[str, Any]) -> None:
    """Check the parameters that contain no template, when the DAG is parsed."""
    if is_literal(written["account_id"]):
        parse_account_id(written["account_id"])
    if is_literal(written["dry_run"]):
        parse_bool(written["dry_run"], "dry_run")
    preflight: Any = parse_preflight(written["preflight"]) if is_literal(written["preflight"]) else None
    if written["account_name"] is not None and is_literal(written["account_name"]) and preflight is not None:
        _parse_account_name(written["account_name"], preflight=preflight)
    for name in ("max_lateness", "not_within"):
        if is_literal(written[name]):
            _parse_optional_seconds(written, name)
    parse_switch(written["allow_backfill"], "allow_backfill")
    _parse_reconcile_for(written)


def read_sale(written: Mapping[str, Any]) -> Sale:
    """Parse the parameters of a rendered task."""
    preflight = parse_preflight(written["preflight"])
    return Sale(
        account_id=parse_account_id(written["account_id"]),
        target=written["target"],
        dry_run=parse_bool(written["dry_run"], "dry_run"),
        preflight=preflight,
        account_name=_parse_account_name(written["account_name"], preflight=preflight),
        max_lateness=_parse_optional_seconds(written, "max_lateness"),
        not_within=_parse_optional_seconds(written, "not_within"),
        allow_backfill=parse_switch(written["allow_backfill"], "allow_backfill"),
        reconcile_for=_parse_reconcile_for(written),
    )


def _parse_optional_seconds(written: Mapping[str, Any], name: str) -> timedelta | None:
    value = written[name]
    return None if value is None else parse_seconds(value, name, longest=LONGEST)


def _parse_reconcile_for(written: Mapping[str, Any]) -> timedelta:
    reconcile_for = parse_seconds(written["reconcile_for"], "reconcile_for", longest=LONGEST_WATCH)
    limit = written["execution_timeout"]
    if isinstance(limit, timedelta) and limit <= reconcile_for:
        raise ConfigurationError(
            f"execution_timeout ({limit}) must be longer than reconcile_for ({reconcile_for}): Airflow would end the "
            "task while it finds out what became of a sell. Nothing was sent. Make it longer, or reconcile_for shorter."
        )
    return reconcile_for


def _parse_account_name(name: str | None, *, preflight: Any) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not name.strip() or name == "None":
        raise ConfigurationError(
            f"account_name is {name!r}, which is no account's name. Nothing was sent. Leave it out to sell whatever "
            "the account is called."
        )
    if preflight is not True:
        raise ConfigurationError(
            f"account_name needs preflight=True, got {preflight!r}: the account has to be read, or its name can't be "
            "checked. Nothing was sent."
        )
    return name


def account_id_or_none(value: Any) -> int | None:
    """Return the account id, or ``None`` if the value is none."""
    try:
        return parse_account_id(value)
    except ThreeCommasError:
        return None
