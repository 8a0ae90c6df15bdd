"""The parameters of an API request, checked when the DAG is parsed and again when they are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.api.request_rules import (
    check_call,
    check_method,
    check_name,
    check_path,
    encode_param,
    encode_params,
)
from airflow_provider_3commas.parameters import is_literal, parse_switch


def check_literals(written: Mapping[str, Any]) -> None:
    """Check the parameters that contain no template, when the DAG is parsed."""
    writes = _parse_writes(written)
    endpoint, method, query = written["endpoint"], written["method"], written["query"]
    if is_literal(endpoint):
        check_path(endpoint)
    if is_literal(method):
        check_method(method)
    if is_literal(endpoint) and is_literal(method):
        check_call(method, endpoint, None, writes=writes)
    if isinstance(query, Mapping):
        for name, value in query.items():
            check_name(name)
            # A list with a template in it is one too.
            if is_literal(value):
                encode_param(name, value)
    elif is_literal(query):
        encode_params(query)


def check_rendered(written: Mapping[str, Any]) -> None:
    """Check the parameters of a rendered task."""
    check_call(written["method"], written["endpoint"], written["query"], writes=_parse_writes(written))


def _parse_writes(written: Mapping[str, Any]) -> bool:
    writes = parse_switch(written["writes"], "writes")
    if writes and written["retries"]:
        raise ConfigurationError(
            f"A request with writes=True can't have retries, got retries={written['retries']!r}: no journal guards it, "
            "and where its answer is lost, a retry may carry it out twice. Nothing was sent. Set retries=0 on this "
            "task (default_args, or [core] default_task_retries, may have set it), and look in 3Commas if it fails. "
            "If it only reads, leave writes out."
        )
    return writes
