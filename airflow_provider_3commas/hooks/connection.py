"""From an Airflow connection to a client: what a connection may hold, what of it is secret, and where it leads."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import mask_secret

from airflow_provider_3commas.api.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_provider_3commas.api.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.budget import RequestBudget
    from airflow_provider_3commas.hooks.gates import GateFactory

#: What the connection's ``extra`` may hold.
EXTRA_KEYS = frozenset({"mode", "timeout", "requests_per_minute", "budget_url", "private_key"})
#: Where requests are counted if ``budget_url`` does not say, in Airflow's home.
BUDGET_FILE = "threecommas_budget.sqlite"

_PEM_EDGE = re.compile("-----(BEGIN|END) [A-Z0-9 ]+-----")


def client_from(connection: Connection, gate: GateFactory | None = None) -> ThreeCommasClient:
    """Build a client with a session of its own, having registered the connection's secrets with Airflow's masker.

    Its requests wait at ``gate``; by default asleep, behind those of liquidations.
    """
    from airflow_provider_3commas.api.client import DEFAULT_TIMEOUT, ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials
    from airflow_provider_3commas.hooks.gates import sleeping_gate

    for secret in secrets_of(connection):
        mask_secret(secret)
    extra = _extra(connection)
    credentials = Credentials(connection.login or "", _signing_secret(connection.password or "", extra))
    base_url = check_base_url(_base_url(connection))
    return ThreeCommasClient(
        credentials,
        base_url=base_url,
        mode=extra.get("mode", "real"),
        timeout=_seconds(extra.get("timeout", DEFAULT_TIMEOUT), "timeout"),
        gate=(gate or sleeping_gate)(_budget(credentials.api_key, base_url, extra)),
    )


def unknown_extra(connection: Connection) -> list[str]:
    """Return the unknown keys in ``extra``."""
    return sorted(set(connection.extra_dejson) - EXTRA_KEYS)


def secrets_of(connection: Connection) -> list[str]:
    """Return every form in which a secret could reach a log or a message; logs are masked line by line."""
    from airflow_provider_3commas.budget.urls import secrets_in_url

    extra = connection.extra_dejson
    written = [
        connection.login,
        connection.password,
        extra.get("private_key"),
        *secrets_in_url(extra.get("budget_url")),
    ]
    forms = {
        form
        for secret in written
        if isinstance(secret, str)
        for form in (secret, secret.strip(), repr(secret)[1:-1], *secret.splitlines())
    }
    return [form for form in forms if form and not _PEM_EDGE.fullmatch(form)]


def _extra(connection: Connection) -> dict[str, Any]:
    """Return the known extras that are set; the connection form writes unset fields as ``null``."""
    unknown = unknown_extra(connection)
    if unknown:
        warnings.warn(
            f"Connection {connection.conn_id!r} has unknown keys in extra, which are ignored: {', '.join(unknown)}. "
            f"Known are {', '.join(sorted(EXTRA_KEYS))}.",
            UserWarning,
            stacklevel=2,
        )
    extra = connection.extra_dejson
    return {key: value for key, value in extra.items() if key in EXTRA_KEYS and value not in (None, "")}


def _signing_secret(password: str, extra: dict[str, Any]) -> str:
    private_key = extra.get("private_key")
    if private_key is None:
        return password
    if password.strip():
        raise ConfigurationError(
            "The connection has both a password and a private key: 3Commas knows one kind of signature per API key. "
            "Keep the HMAC secret in password, or the RSA private key in the private key field, not both."
        )
    if isinstance(private_key, str) and set(private_key.strip()) == {"*"}:
        raise ConfigurationError(
            f"The connection's private_key is the mask {private_key!r}, not the key behind it. Fill in the real one."
        )
    if not isinstance(private_key, str) or "-----BEGIN" not in private_key:
        raise ConfigurationError(
            "The connection's private_key is not a PEM text: expected '-----BEGIN PRIVATE KEY-----' or "
            "'-----BEGIN RSA PRIVATE KEY-----' and what follows. An HMAC secret belongs into password."
        )
    return private_key


def _base_url(connection: Connection) -> str:
    """Join host, port and schema, in which Airflow's URI form and its form fields may have split an address."""
    host = (connection.host or "").strip()
    if not host:
        return DEFAULT_BASE_URL
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    if connection.port:
        host = f"{host.rstrip('/')}:{connection.port}"
    return host


def _seconds(value: Any, name: str) -> float:
    """Parse a number that a form may have stored as text."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(value)
    raise ConfigurationError(f"The connection's {name} is {value!r}; expected a number of seconds, e.g. 30.")


def _budget(api_key: str, base_url: str, extra: dict[str, Any]) -> RequestBudget:
    """Return the budget that this process shares with all others on this machine, or on all that use the Redis."""
    from airflow_provider_3commas.budget import shared_budget

    url = extra.get("budget_url")
    return shared_budget(
        api_key,
        base_url,
        requests_per_minute=extra.get("requests_per_minute", 100),
        url=url,
        path=None if url else Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / BUDGET_FILE,
    )
