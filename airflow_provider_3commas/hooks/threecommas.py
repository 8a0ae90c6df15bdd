"""Airflow connection in, 3Commas client out."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_3commas.api.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_provider_3commas.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Connection

    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.api.transport import RequestGate
    from airflow_provider_3commas.budget import RequestBudget

    GateFactory = Callable[[RequestBudget], RequestGate]

#: What the connection's ``extra`` may hold.
EXTRA_KEYS = frozenset({"mode", "timeout", "requests_per_minute", "budget_url", "private_key"})
#: Where requests are counted if ``budget_url`` does not say, in Airflow's home.
BUDGET_FILE = "threecommas_budget.sqlite"


class ThreeCommasHook(BaseHook):
    """Manage a ``threecommas`` connection and sign requests to the 3Commas REST API with it.

    The connection holds the API key in ``login``; the HMAC secret *or* the RSA private key (PEM) in ``password`` or,
    the private key only, in ``extra.private_key``; the base URL in ``host`` if it is not the real one; and in
    ``extra`` optionally ``mode`` (``real``, default, or ``paper``), ``timeout`` (seconds),
    ``requests_per_minute`` and ``budget_url``.

    Nothing is read from Airflow and nothing is sent before the first method call. Every request is counted before it
    is sent, together with those of all other processes that use the API key; while there is no budget for it, the call
    sleeps, and says so in the log.

    :param threecommas_conn_id: id of the connection.
    :param gate: makes the gate at which requests wait for the budget; by default one that sleeps, behind the sells.
    """

    conn_name_attr = "threecommas_conn_id"
    default_conn_name = "threecommas_default"
    conn_type = "threecommas"
    hook_name = "3Commas"

    def __init__(self, threecommas_conn_id: str = default_conn_name, *, gate: GateFactory | None = None) -> None:
        super().__init__()
        self.threecommas_conn_id = threecommas_conn_id
        self._gate = gate
        self._unknown_extra: list[str] = []

    def get_conn(self) -> ThreeCommasClient:
        """Return the client of this connection; the same one, with its kept-alive session, at every call.

        :return: the client.
        :raises ConfigurationError: the connection cannot be used; nothing was sent.
        """
        return self._client

    def conn_that_sells(self) -> ThreeCommasClient:
        """Return the client of this connection, which has to be understood in full: a typo in ``mode`` would sell.

        :return: the same client as ``get_conn``.
        :raises ConfigurationError: the connection cannot be used, or has a key in ``extra`` that is not known.
        """
        client = self._client
        if self._unknown_extra:
            raise ConfigurationError(
                f"Connection {self.threecommas_conn_id!r} has keys in extra that are not known: "
                f"{', '.join(self._unknown_extra)}. "
                f"Nothing was sent: one of them may be meant to keep real money from being sold. Known are "
                f"{', '.join(sorted(EXTRA_KEYS))}; correct or remove the others."
            )
        return client

    @cached_property
    def _client(self) -> ThreeCommasClient:
        # The connection itself is not kept: its secrets would be among this object's attributes.
        connection = self.get_connection(self.threecommas_conn_id)
        self._unknown_extra = _unknown_extra(connection)
        return self.client_from(connection, gate=self._gate)

    @classmethod
    def client_from(cls, connection: Connection, *, gate: GateFactory | None = None) -> ThreeCommasClient:
        """Build a client from a connection, having registered its secrets with Airflow's masker.

        :param connection: the connection, from wherever Airflow keeps it.
        :param gate: makes the gate at which requests wait for the budget; by default one that sleeps.
        :return: a client with a session of its own.
        :raises ConfigurationError: the connection cannot be used; the message says what to change.
        """
        from airflow_provider_3commas.api.client import DEFAULT_TIMEOUT, ThreeCommasClient
        from airflow_provider_3commas.api.credentials import Credentials

        api_key, password = connection.login or "", connection.password or ""
        _register_secrets(api_key, password)
        extra = _extra(connection)
        credentials = Credentials(api_key, _secret(password, extra.get("private_key")))
        base_url = check_base_url(_base_url(connection))
        return ThreeCommasClient(
            credentials,
            base_url=base_url,
            mode=extra.get("mode", "real"),
            timeout=_number(extra.get("timeout", DEFAULT_TIMEOUT), "timeout"),
            gate=(gate or _sleeping_gate)(_budget(credentials.api_key, base_url, extra)),
        )

    def test_connection(self) -> tuple[bool, str]:
        """Tell whether the connection works, by reading only.

        :return: whether it does, and sentences for the person who pressed the button; no secret in them.
        """
        from airflow_provider_3commas.hooks.connection_check import diagnose

        return diagnose(self.get_connection(self.threecommas_conn_id))

    def validate(self) -> bool:
        """Prove that the API key and the signature are good.

        :return: ``True``.
        :raises ThreeCommasError: they are not, or the request failed.
        """
        return self.get_conn().validate()

    def list_accounts(self) -> list[dict[str, Any]]:
        """Return every exchange account in the connection's mode, all pages.

        :return: Accounts as the API sends them, credentials replaced by ``***``.
        :raises ThreeCommasError: a request failed.
        """
        return self.get_conn().list_accounts()

    def get_account(self, account_id: int | str) -> dict[str, Any]:
        """Return one exchange account.

        :param account_id: id of the account, a positive integer.
        :return: the Account, credentials replaced, fractional JSON numbers as ``Decimal``.
        :raises ThreeCommasError: the request failed.
        """
        return self.get_conn().get_account(account_id)

    def sell_all_to_btc(self, account_id: int | str) -> dict[str, Any]:
        """Sell everything on the account into BTC and stop every bot, deal and order on it. Can't be undone.

        Sends at once, without preflight or journal: ``SellAllToBtcOperator`` is the safe way to do this in a DAG.

        :param account_id: id of the account, a positive integer.
        :return: the Account when the orders were created, credentials replaced.
        :raises ThreeCommasError: see ``airflow_provider_3commas.api.errors`` for what each class says of the sell.
        """
        return self.conn_that_sells().sell_all_to_btc(account_id)

    def sell_all_to_usd(self, account_id: int | str) -> dict[str, Any]:
        """Sell everything on the account into USD, on most exchanges a dollar stablecoin. Can't be undone.

        :param account_id: id of the account, a positive integer.
        :return: as ``sell_all_to_btc``.
        :raises ThreeCommasError: as ``sell_all_to_btc``.
        """
        return self.conn_that_sells().sell_all_to_usd(account_id)

    def load_balances(self, account_id: int | str) -> dict[str, Any]:
        """Ask 3Commas to fetch the account's balances from the exchange anew.

        :param account_id: id of the account, a positive integer.
        :return: the Account as 3Commas sees it at this moment.
        :raises ThreeCommasError: the request failed.
        """
        return self.get_conn().load_balances(account_id)

    def get_balances(self, account_id: int | str) -> list[BalanceRow]:
        """Return the account's holdings, the rows of ``account_table_data``, with ``Decimal`` amounts.

        :param account_id: id of the account, a positive integer.
        :return: one row a currency.
        :raises ThreeCommasError: the request failed.
        """
        return self.get_conn().get_balances(account_id)

    def get_active_entities(self, account_id: int | str) -> dict[str, int | None]:
        """Return how many bots, deals, SmartTrades, orders and grid bots are active on the account.

        :param account_id: id of the account, a positive integer.
        :return: counts by the API's names, e.g. ``active_bots_count``.
        :raises ThreeCommasError: the request failed.
        """
        return self.get_conn().get_active_entities(account_id)


def _sleeping_gate(budget: RequestBudget) -> RequestGate:
    from airflow_provider_3commas.budget import Priority, SleepingGate
    from airflow_provider_3commas.hooks.gates import BudgetMetrics

    return SleepingGate(budget, Priority.POLL, observer=BudgetMetrics())


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


def _register_secrets(*secrets: str) -> None:
    """Tell Airflow's masker every form in which a secret could reach a log, which is masked line by line."""
    for secret in secrets:
        for form in {secret, secret.strip(), repr(secret)[1:-1], *secret.splitlines()}:
            if form and not form.startswith("-----"):
                mask_secret(form)


def _extra(connection: Connection) -> dict[str, Any]:
    """Return the known extras that are set; the connection form writes unset fields as ``null``."""
    extra = connection.extra_dejson
    private_key, budget_url = extra.get("private_key"), extra.get("budget_url")
    if isinstance(private_key, str):
        _register_secrets(private_key)
    if isinstance(budget_url, str):
        _register_secrets(*_passwords(budget_url))
    unknown = _unknown_extra(connection)
    if unknown:
        warnings.warn(
            f"Connection {connection.conn_id!r} has unknown keys in extra, which are ignored: {', '.join(unknown)}. "
            f"Known are {', '.join(sorted(EXTRA_KEYS))}.",
            UserWarning,
            stacklevel=2,
        )
    return {key: value for key, value in extra.items() if key in EXTRA_KEYS and value not in (None, "")}


def _unknown_extra(connection: Connection) -> list[str]:
    return sorted(set(connection.extra_dejson) - EXTRA_KEYS)


def _passwords(url: str) -> list[str]:
    """Return what must not be shown of a URL: it as a whole, and the password, as it is written and as it is meant."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    return [url, password, unquote(password)] if password else []


def _secret(password: str, private_key: Any) -> str:
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


def _number(value: Any, name: str) -> float:
    """Read a number that a form may have stored as text."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(value)
    raise ConfigurationError(f"The connection's {name} is {value!r}; expected a number of seconds, e.g. 30.")
