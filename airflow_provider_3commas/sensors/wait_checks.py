"""The parameters of a sensor, checked when the DAG is parsed; what is templated is read when it is rendered."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.parameters import is_literal, parse_bool, parse_switch
from airflow_provider_3commas.settlement.criteria import Criteria


def check_literals(sensor: Any) -> None:
    """Check what does not have to be rendered first; each parameter is an attribute of the same name."""
    for name in ("deferrable", "soft_fail"):
        parse_switch(getattr(sensor, name), name)
    if is_literal(sensor.account_id):
        parse_account_id(sensor.account_id)
    if is_literal(sensor.dry_run):
        parse_bool(sensor.dry_run, "dry_run")
    written = {name: getattr(sensor, name) for name in Criteria.__struct_fields__}
    criteria = Criteria.parse(
        **{name: value for name, value in written.items() if name not in sensor.template_fields or is_literal(value)}
    )
    criteria.check_timeout(sensor.timeout)
