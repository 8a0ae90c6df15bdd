"""What Airflow reads about this provider; imported by every Airflow process, so it imports nothing heavy.

Airflow before 3.2 ignores the fields of the connection form and the commands; everything else works there too.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas import __version__

_NAME = "3Commas"
_PACKAGE = "airflow_provider_3commas"
# The Test button of these sends port 0 where there is none, and takes that for another host than the stored one:
# https://github.com/apache/airflow/pull/73298.
_TEST_NEEDS_A_PORT = frozenset({"3.3.1", "3.3.2"})


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the form that the ``apache_airflow_provider`` entry point asks for."""
    return {
        "package-name": "airflow-provider-3commas",
        "name": _NAME,
        "description": "Liquidate a `3Commas <https://3commas.io>`__ exchange account: sell all, wait, report.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": _NAME, "external-doc-url": "https://developers.3commas.io/", "tags": ["service"]}
        ],
        "hooks": [_modules("hooks.threecommas")],
        "operators": [_modules("operators.sell_all", "operators.report", "operators.api_request")],
        "sensors": [_modules("sensors.balances")],
        "triggers": [_modules("triggers.balances")],
        "extra-links": [f"{_PACKAGE}.links.account.ThreeCommasLiquidationLink"],
        "asset-uris": [{"schemes": ["threecommas"], "handler": f"{_PACKAGE}.assets.account.sanitize"}],
        "cli": [f"{_PACKAGE}.cli.definition.get_cli_commands"],
        "connection-types": [
            {
                "connection-type": "threecommas",
                "hook-class-name": f"{_PACKAGE}.hooks.threecommas.ThreeCommasHook",
                "hook-name": _NAME,
                "ui-field-behaviour": _standard_fields(),
                "conn-fields": _connection_fields(),
            }
        ],
    }


def _standard_fields() -> dict[str, Any]:
    """Return the UI behaviour of the fields that every connection has."""
    return {
        # Extra stays: what else is in it would otherwise be kept without anybody seeing it.
        "hidden-fields": ["schema"] if _airflow_version() in _TEST_NEEDS_A_PORT else ["schema", "port"],
        "relabeling": {"login": "API key", "password": "API secret", "host": "Address"},
        "placeholders": {
            "login": "the key that 3Commas shows under My Profile, API",
            "password": "the secret that belongs to it, or the RSA private key in PEM",
            "host": "empty for https://api.3commas.io; e.g. http://127.0.0.1:8099 for the simulator",
            "port": "0, or the Test button of this Airflow version says: Bad Request",
        },
    }


def _airflow_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("apache-airflow-core")
    except PackageNotFoundError:
        return ""


def _connection_fields() -> dict[str, dict[str, Any]]:
    """Return the fields of the form that are kept in ``extra``; left empty, they are stored as ``null``."""
    return {
        # Airflow masks what is stored under this name and the next.
        "api_key": {
            "label": "API key, hidden",
            "description": (
                "The API key, in place of the field above, which Airflow shows in clear to whoever may see connections."
            ),
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "private_key": {
            "label": "RSA private key",
            "description": (
                "Only for a self-generated API key, in place of the API secret: the private key in PEM, from "
                "'-----BEGIN PRIVATE KEY-----' to '-----END PRIVATE KEY-----', not encrypted."
            ),
            "schema": {"type": ["string", "null"], "format": "multiline"},
        },
        "mode": {
            "label": "Mode",
            "description": (
                "Whether this connection acts on real or on paper accounts. Sent with every request, so the mode "
                "last chosen in the web app does not matter. Not set: real."
            ),
            "schema": {
                "type": ["string", "null"],
                "enum": ["real", "paper"],
                "values_display": {"real": "Real accounts", "paper": "Paper accounts"},
                "default": "real",
            },
        },
        "requests_per_minute": {
            "label": "Requests per minute",
            "description": (
                "How many requests 3Commas allows this API key, for all tasks together. Not set: 100, as documented. "
                "Third parties have seen 5 (starter), 50 (pro) and 120 (expert) by plan. Less if something else "
                "uses the key too."
            ),
            "schema": {"type": ["integer", "null"], "minimum": 2, "maximum": 10000},
        },
        "budget_url": {
            "label": "Budget store",
            "description": (
                "Where those requests are counted. Not set: a file on this machine. Where tasks run on several "
                "machines: a Redis that all of them reach, e.g. redis://redis.example.com:6379/0. Airflow shows this "
                "field in clear; if there has to be a password in it, add budget_url to [core] "
                "sensitive_var_conn_names first."
            ),
            "schema": {"type": ["string", "null"]},
        },
        "timeout": {
            "label": "Timeout in seconds",
            "description": "How long to wait for a connection, and for an answer. Not set: 30.",
            "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 3600},
        },
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.{name}" for name in names]}
