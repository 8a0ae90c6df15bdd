"""The exchanges that 3Commas supports."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas.simulator.exchanges import EXCHANGES

_FORM_FIELDS = {
    "required": [
        {"field": "api_key", "localized_name": "API Key:"},
        {"field": "secret", "localized_name": "API Secret:"},
    ],
    "optional": [],
}
# Addresses that documents may name: nobody has them.
_TRUSTED_IPS = ["192.0.2.7", "192.0.2.15"]


def market_list() -> list[dict[str, Any]]:
    """Build the list of exchanges."""
    return [
        {
            "market_name": exchange.exchange_name,
            "market_url": f"https://{code.replace('_', '-')}.example",
            "market_icon": f"https://3commas.io/img/exchanges/{code}.png",
            "help_link": f"https://help.3commas.io/simulated/{code}",
            "market_code": code,
            "form_fields": _FORM_FIELDS,
            "available_connection_flows": ["form"],
            "third_party_allowed": False,
            "trusted_ips": _TRUSTED_IPS,
            "trusted_ips_input_type": "inline",
            "fast_connect_action_name": code.partition("_")[0],
        }
        for code, exchange in EXCHANGES.items()
    ]
