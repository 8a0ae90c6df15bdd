"""From an Airflow connection to a client: what a connection may hold, what of it is secret, and where it leads."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import mask_secret

from airflow_provider_3commas.api.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.api.redaction import Secret, without_frames

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.budget import RequestBudget
    from airflow_provider_3commas.hooks.gates import GateFactory

#: What the connection's ``extra`` may hold.
EXTRA_KEYS = frozenset({"api_key", "mode", "timeout", "requests_per_minute", "budget_url", "private_key"})
#: Where requests are counted if ``budget_url`` does not say, in Airflow's home.
BUDGET_FILE = "threecommas_budget.sqlite"

_PEM_EDGE = re.compile("-----(BEGIN|END) [A-Z0-9 ]+-----")
# Of the known ones, those that nobody may see; of an address, it is not known before it has been read.
_SECRET_KEYS = frozenset({"api_key", "budget_url", "private_key"})


@dataclass(frozen=True)
class ConnectionFields:
    """What is read of an Airflow connection, which prints its secrets where a debugger shows values; this does not."""

    conn_id: str
    host: Secret
    schema: str
    port: int | None
    login: Secret
    password: Secret
    #: The known extras that are set; the connection form writes unset fields as ``null``.
    extra: dict[str, Any]
    #: Names of the unknown ones.
    unknown_extra: tuple[str, ...]

    @classmethod
    def of(cls, connection: Connection) -> ConnectionFields:
        """Read a connection."""
        extra = connection.extra_dejson
        return cls(
            conn_id=connection.conn_id,
            host=Secret(connection.host or ""),
            schema=connection.schema or "https",
            port=connection.port,
            login=Secret(connection.login or ""),
            password=Secret(connection.password or ""),
            extra={
                key: Secret(value) if key in _SECRET_KEYS and isinstance(value, str) else value
                for key, value in extra.items()
                if key in EXTRA_KEYS and value not in (None, "")
            },
            unknown_extra=tuple(sorted(set(extra) - EXTRA_KEYS)),
        )

    @property
    def signs_with(self) -> str:
        """What its requests are signed with, in words."""
        is_rsa = "private_key" in self.extra or "-----BEGIN" in self.password
        return "RSA private key" if is_rsa else "API secret"

    def secrets(self) -> list[str]:
        """Return every form in which a secret could reach a log or a message; logs are masked line by line."""
        from airflow_provider_3commas.budget.urls import secrets_in_url

        extra = self.extra
        written = [
            self.login,
            self.password,
            extra.get("api_key"),
            extra.get("private_key"),
            *secrets_in_url(extra.get("budget_url")),
        ]
        forms = {
            form
            for secret in written
            if isinstance(secret, str)
            for form in (str(secret), secret.strip(), str.__repr__(secret)[1:-1], *secret.splitlines())
        }
        return [form for form in forms if form and not _PEM_EDGE.fullmatch(form)]


def client_from(fields: ConnectionFields, gate: GateFactory | None = None) -> ThreeCommasClient:
    """Build a client with a session of its own, having registered the connection's secrets with Airflow's masker.

    Its requests wait at ``gate``; by default asleep, behind those of liquidations.
    """
    _mask(fields)
    if fields.unknown_extra:
        warnings.warn(
            f"Connection {fields.conn_id!r} has unknown keys in extra, which are ignored: "
            f"{', '.join(fields.unknown_extra)}. Known are {', '.join(sorted(EXTRA_KEYS))}.",
            UserWarning,
            stacklevel=2,
        )
    try:
        return _client_from(fields, gate)
    except ConfigurationError as error:
        problem = without_frames(error)
    raise problem


def _mask(fields: ConnectionFields) -> None:
    for secret in fields.secrets():
        mask_secret(secret)


def _client_from(fields: ConnectionFields, gate: GateFactory | None) -> ThreeCommasClient:
    from airflow_provider_3commas.api.client import DEFAULT_TIMEOUT, ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials
    from airflow_provider_3commas.hooks.gates import sleeping_gate

    extra = fields.extra
    credentials = Credentials(_api_key(fields), _signing_secret(fields))
    base_url = check_base_url(_base_url(fields))
    return ThreeCommasClient(
        credentials,
        base_url=base_url,
        mode=extra.get("mode", "real"),
        timeout=_seconds(extra.get("timeout", DEFAULT_TIMEOUT), "timeout"),
        gate=(gate or sleeping_gate)(_budget(credentials.api_key, base_url, extra)),
    )


def _api_key(fields: ConnectionFields) -> str:
    api_key = fields.extra.get("api_key")
    if api_key is None:
        return fields.login
    if fields.login.strip():
        raise ConfigurationError(
            "The connection has an API key in login and another in extra (api_key). Keep one of them: Airflow shows "
            "that in login, and hides that in extra."
        )
    if not isinstance(api_key, str):
        raise ConfigurationError("The connection's api_key is no text. Copy the API key from 3Commas again.")
    return api_key


def _signing_secret(fields: ConnectionFields) -> str:
    private_key = fields.extra.get("private_key")
    if private_key is None:
        return fields.password
    if fields.password.strip():
        raise ConfigurationError(
            "The connection has both a password and a private key: 3Commas knows one kind of signature per API key. "
            "Keep the HMAC secret in password, or the RSA private key in the private key field, not both."
        )
    if isinstance(private_key, str) and set(private_key.strip()) == {"*"}:
        raise ConfigurationError(
            "The connection's private_key is a mask of stars, not the key behind it. Fill in the real one."
        )
    if not isinstance(private_key, str) or "-----BEGIN" not in private_key:
        raise ConfigurationError(
            "The connection's private_key is not a PEM text: expected '-----BEGIN PRIVATE KEY-----' or "
            "'-----BEGIN RSA PRIVATE KEY-----' and what follows. An HMAC secret belongs into password."
        )
    return private_key


def _base_url(fields: ConnectionFields) -> str:
    """Join host, port and schema, in which Airflow's URI form and its form fields may have split an address."""
    host = fields.host.strip()
    if not host:
        return DEFAULT_BASE_URL
    if "://" not in host:
        host = f"{fields.schema}://{host}"
    if fields.port:
        host = f"{host.rstrip('/')}:{fields.port}"
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
