"""The hook: the 3Commas REST API through an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.api.redaction import credentials_in
from airflow_provider_3commas.hooks.connection import EXTRA_KEYS, ConnectionFields, client_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.hooks.gates import GateFactory


class ThreeCommasHook(BaseHook):
    """Sign requests to the 3Commas REST API with the credentials of a ``threecommas`` connection.

    The connection holds the API key in ``login``; the HMAC secret *or* the RSA private key (PEM) in ``password`` or,
    the private key only, in ``extra.private_key``; the base URL in ``host`` if it is not the real one; and in
    ``extra`` optionally ``mode`` (``real``, default, or ``paper``), ``timeout`` (seconds),
    ``requests_per_minute`` and ``budget_url``.

    Nothing is read from Airflow and nothing is sent before the first method call. Every request is counted before it
    is sent, together with those of all other processes that use the API key; while there is no budget for it, the call
    sleeps, and says so in the log.

    :param threecommas_conn_id: id of the connection.
    :param gate: builds the gate at which requests wait for the request budget; by default one that sleeps, with less
        priority than sell-alls.
    """

    conn_name_attr = "threecommas_conn_id"
    default_conn_name = "threecommas_default"
    conn_type = "threecommas"
    hook_name = "3Commas"

    def __init__(self, threecommas_conn_id: str = default_conn_name, *, gate: GateFactory | None = None) -> None:
        super().__init__()
        self.threecommas_conn_id = threecommas_conn_id
        self._gate = gate
        self._unknown_extra: tuple[str, ...] = ()

    def get_conn(self) -> ThreeCommasClient:
        """Return the client of this connection; the same one, with its kept-alive session, at every call.

        :raises ConfigurationError: the connection cannot be used; nothing was sent.
        """
        return self._client

    def get_conn_for_selling(self) -> ThreeCommasClient:
        """Return the client of ``get_conn``, but refuse unknown keys in ``extra``: a typo in ``mode`` would sell.

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
        fields = ConnectionFields.of(self.get_connection(self.threecommas_conn_id))
        self._unknown_extra = fields.unknown_extra
        return client_from(fields, self._gate)

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with read-only requests.

        :return: whether it works, and sentences for the person who pressed the button; no secret in them.
        """
        from airflow_provider_3commas.hooks.connection_check import diagnose

        return diagnose(ConnectionFields.of(self.get_connection(self.threecommas_conn_id)))

    def validate(self) -> bool:
        """Check that the API key and the signature are good; the key needs no permission.

        :return: ``True``; the API answers 401 rather than ``False``.
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
        :raises ThreeCommasError: the request failed, or the reply is not this account.
        """
        return self.get_conn().get_account(account_id)

    def run(self, method: str, path: str, params: Mapping[str, Any] | None = None, *, writes: bool = False) -> Any:
        """Send any call of the API but a sell-all, signed and counted like all others, once.

        What may change something needs ``writes=True``: everything but ``GET``, and but the POSTs
        ``account_table_data``, ``load_balances`` and ``pie_chart_data`` of an account, which only read. Such a call
        is never repeated here, and where its answer is lost its outcome is unknown; in a task with ``retries``,
        Airflow repeats it.

        A path with ``sell_all`` in it (``panic_sell_all_deals`` too), or with ``summary`` in place of an id, is
        refused, and so is every path that could lead elsewhere.

        :param method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
        :param path: the path below ``/public/api``, such as ``/ver1/accounts`` or ``/v2/smart_trades``: letters,
            digits, ``_``, ``-`` and ``/`` only.
        :param params: parameters by name, sent in the query string, which is signed as it is sent: text, numbers
            (a ``Decimal`` in plain digits), ``True`` and ``False`` as ``true`` and ``false``. ``None`` leaves one out.
            A list is joined by commas; under a name that ends with ``[]``, the parameter is repeated.
        :param writes: whether the call may change something.
        :return: the decoded reply, credentials replaced by ``***``, fractional JSON numbers as ``Decimal``; ``None``
            for a reply without content.
        :raises ConfigurationError: not sent: a rule above forbids it.
        :raises RequestRejected: certainly not carried out.
        :raises ConnectionFailed: not sent.
        :raises OutcomeUnknown: a read can be repeated; a write may or may not have been carried out.
        """
        for secret in credentials_in(params):
            mask_secret(secret)
        client = self.get_conn_for_selling() if writes else self.get_conn()
        return client.run(method, path, params, writes=writes)

    def sell_all_to_btc(self, account_id: int | str, *, unguarded: bool = False) -> dict[str, Any]:
        """Sell everything on the account into BTC. Can't be undone: use ``SellAllToBtcOperator`` in a DAG.

        Before it sells, 3Commas stops every trading entity on the account (bots, SmartTrades, trades, deals, orders),
        Signal Bots excepted.

        Sends at once, without preflight or journal: nothing remembers the sell, and a task that is retried sells
        again. So it refuses without ``unguarded=True``.

        :param account_id: id of the account, a positive integer.
        :param unguarded: has to be ``True``, or nothing is sent.
        :return: the Account when the orders were created (not filled), credentials replaced.
        :raises LiquidationRefused: not sent, as ``unguarded`` is not ``True``.
        :raises RequestRejected: certainly not carried out.
        :raises ConnectionFailed: not sent.
        :raises OutcomeUnknown: may or may not have been carried out; look at the account before selling again.
        :raises ThreeCommasError: see ``airflow_provider_3commas.api.errors`` for what the other classes mean.
        """
        return self.get_conn_for_selling().sell_all_to_btc(account_id, unguarded=unguarded)

    def sell_all_to_usd(self, account_id: int | str, *, unguarded: bool = False) -> dict[str, Any]:
        """Like ``sell_all_to_btc``, but into USD, on most exchanges a dollar stablecoin. Can't be undone.

        It too stops every trading entity on the account, Signal Bots excepted, and needs ``unguarded=True``.
        """
        return self.get_conn_for_selling().sell_all_to_usd(account_id, unguarded=unguarded)

    def load_balances(self, account_id: int | str) -> dict[str, Any]:
        """Request that 3Commas fetches the account's balances from the exchange; its view may lag for a while after.

        :param account_id: id of the account, a positive integer.
        :return: the Account as 3Commas sees it at this moment.
        :raises ThreeCommasError: the request failed, or the reply is not this account.
        """
        return self.get_conn().load_balances(account_id)

    def get_balances(self, account_id: int | str) -> list[BalanceRow]:
        """Return the account's holdings, the rows of ``account_table_data``, with ``Decimal`` amounts.

        :param account_id: id of the account, a positive integer.
        :return: one row per currency and wallet, ``None`` for amounts that can't be read; empty if 3Commas has no view
            of the account at the moment.
        :raises ThreeCommasError: the request failed, or the reply is not a list of objects.
        """
        return self.get_conn().get_balances(account_id)

    def get_active_entities(self, account_id: int | str) -> dict[str, int | None]:
        """Return how many DCA bots, grid bots, deals, SmartTrades and orders are active on the account.

        Signal Bots are not counted: one shows only while it has a SmartTrade open.

        :param account_id: id of the account, a positive integer.
        :return: counts by the API's names, e.g. ``{"active_bots_count": 5, ...}``; ``None`` for what is not a count,
            which is not zero: nothing is known about it.
        :raises ThreeCommasError: the request failed, or the reply holds no counts.
        """
        return self.get_conn().get_active_entities(account_id)
