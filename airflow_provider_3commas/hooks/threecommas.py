"""The hook: the 3Commas REST API through an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.hooks.connection import EXTRA_KEYS, client_from, unknown_extra

if TYPE_CHECKING:
    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.hooks.gates import GateFactory


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
        self._unknown_extra = unknown_extra(connection)
        return client_from(connection, self._gate)

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with read-only requests.

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
