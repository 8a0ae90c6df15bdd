"""What Airflow reads about this provider; imported by every Airflow process, so it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas import __version__

_NAME = "3Commas"


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow.

    :return: the provider's metadata in the form that the ``apache_airflow_provider`` entry point asks for.
    """
    return {
        "package-name": "airflow-provider-3commas",
        "name": _NAME,
        "description": "Take a `3Commas <https://3commas.io/>`__ exchange account to safety: sell all, wait, report.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": _NAME, "external-doc-url": "https://developers.3commas.io/", "tags": ["service"]}
        ],
        "hooks": [_modules("airflow_provider_3commas.hooks.threecommas")],
        "operators": [_modules("airflow_provider_3commas.operators.sell_all")],
        "sensors": [_modules("airflow_provider_3commas.sensors.balances")],
        "triggers": [_modules("airflow_provider_3commas.triggers.balances")],
        "connection-types": [
            {
                "connection-type": "threecommas",
                "hook-class-name": "airflow_provider_3commas.hooks.threecommas.ThreeCommasHook",
                "hook-name": _NAME,
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {"login": "API key", "password": "API secret or RSA private key"},
                    "placeholders": {"host": "https://api.3commas.io"},
                },
            }
        ],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": list(names)}
