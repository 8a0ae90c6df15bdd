"""The 3Commas REST API as methods: sign, send once, and know for certain what became of it."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.api.balance_rows import BalanceRow, decode_balance_rows
from airflow_provider_3commas.api.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_provider_3commas.api.decoding import MOST_QUOTED
from airflow_provider_3commas.api.errors import ConfigurationError, LiquidationRefused
from airflow_provider_3commas.api.request_rules import check_call
from airflow_provider_3commas.api.transport import Transport
from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_3commas.api.credentials import Credentials
    from airflow_provider_3commas.api.error_mapping import Reply
    from airflow_provider_3commas.api.transport import RequestGate
    from airflow_provider_3commas.targets import TargetName

#: The user's real accounts or the paper ones.
Mode = Literal["real", "paper"]

#: Seconds to wait for an answer; for a connection never longer.
DEFAULT_TIMEOUT = 30.0
#: Accounts a page: the most that the API gives.
PAGE_SIZE = 100
#: Bytes of an Account, which is recorded and goes into XCom; those that were seen have five thousand.
MOST_ACCOUNT_BYTES = 256 * 1024

_NO_CONTENT = 204

_logger = logging.getLogger(__name__)


class SellReply(NamedTuple):
    """The reply to an accepted sell-all."""

    #: The Account when the orders were created, credentials replaced.
    account: dict[str, Any]
    #: The reply's ``X-Request-Id``, if it had one.
    request_id: str | None


class ThreeCommasClient:
    """A client of the 3Commas REST API for one API key, over one kept-alive session.

    Its methods are those of ``ThreeCommasHook``, where parameters and return values are described.

    Nothing is ever sent twice: a failed request raises, and whether to repeat it is the caller's decision. Redirects
    are refused, certificates always verified, and credentials in replies replaced by ``***``. Can be shared by
    threads for everything but closing it. Proxies (``HTTPS_PROXY``, ``NO_PROXY``) and the CA bundle
    (``REQUESTS_CA_BUNDLE``) are those of the environment when it is built.

    :param credentials: API key and signer.
    :param base_url: scheme and host, ``https`` unless the host is a loopback address.
    :param mode: ``real`` or ``paper``: always sent, because without it the API follows whatever the user last chose
        in the web app.
    :param timeout: seconds to wait for a connection, and for the answer to a request.
    :param gate: asked before each request; ``None`` sends at once.
    :raises ConfigurationError: a parameter cannot be used.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str = DEFAULT_BASE_URL,
        mode: Mode = "real",
        timeout: float = DEFAULT_TIMEOUT,
        gate: RequestGate | None = None,
    ) -> None:
        if mode not in ("real", "paper"):
            raise ConfigurationError(f"mode must be 'real' or 'paper', got {mode!r}.")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 3600:
            raise ConfigurationError(f"timeout must be a number of seconds above 0 and up to 3600, got {timeout!r}.")
        self.mode: Mode = mode
        self.base_url = check_base_url(base_url)
        #: Tells API keys apart without naming them. The key itself is no attribute: some loggers print those.
        self.api_key_hash = hashlib.sha256(credentials.api_key.encode()).hexdigest()[:16]
        self.transport = Transport(
            credentials, self.base_url, mode, (min(float(timeout), DEFAULT_TIMEOUT), float(timeout)), gate
        )

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds to wait for a connection, and for each part of an answer."""
        return self.transport.timeouts

    @property
    def requests_sent(self) -> int:
        """Requests sent so far."""
        return self.transport.requests_sent

    def __repr__(self) -> str:
        return f"ThreeCommasClient(base_url={self.base_url!r}, mode={self.mode!r}, credentials=***)"

    def close(self) -> None:
        """Close the session and its connections."""
        self.transport.close()

    def validate(self) -> bool:
        """Check that the key and the signature are good; see ``ThreeCommasHook.validate``."""
        reply = self.transport.send("GET", "/ver1/validate")
        body = _decode(reply, dict)
        if not isinstance(body.get("valid"), bool):
            raise reply.unknown("no 'valid' in the object")
        return bool(body["valid"])

    def list_accounts(self) -> list[dict[str, Any]]:
        """Return every exchange account in this mode, all pages; see ``ThreeCommasHook.list_accounts``."""
        accounts: dict[int, dict[str, Any]] = {}
        page = 1
        while True:
            reply = self.transport.send("GET", "/ver1/accounts", {"page": str(page), "per_page": str(PAGE_SIZE)})
            batch = _decode(reply, list)
            known = len(accounts)
            accounts.update((_account_id(reply, account), account) for account in batch)
            # A server that ignores ``page`` would send the same page for ever.
            if len(batch) < PAGE_SIZE or len(accounts) == known:
                return list(accounts.values())
            page += 1

    def get_account(self, account_id: int | str) -> dict[str, Any]:
        """Return one exchange account; see ``ThreeCommasHook.get_account``."""
        account_id = parse_account_id(account_id)
        return _account(self.transport.send("GET", f"/ver1/accounts/{account_id}"), account_id)

    def load_balances(self, account_id: int | str) -> dict[str, Any]:
        """Request a refresh of the account's balances; see ``ThreeCommasHook.load_balances``."""
        account_id = parse_account_id(account_id)
        return _account(self.transport.send("POST", f"/ver1/accounts/{account_id}/load_balances"), account_id)

    def get_balances(self, account_id: int | str) -> list[BalanceRow]:
        """Return the account's holdings; see ``ThreeCommasHook.get_balances``."""
        reply = self.transport.send("POST", f"/ver1/accounts/{parse_account_id(account_id)}/account_table_data")
        if reply.flaw is not None:
            raise reply.unknown(reply.flaw)
        try:
            return decode_balance_rows(reply.body, reply.hide)
        except ValueError as error:
            problem = f"{reply.describe_body()} ({one_line(str(error), MOST_QUOTED)})"
        raise reply.unknown(problem)

    def get_active_entities(self, account_id: int | str) -> dict[str, int | None]:
        """Return how much is active, Signal Bots left out; see ``ThreeCommasHook.get_active_entities``."""
        reply = self.transport.send("GET", f"/ver1/accounts/{parse_account_id(account_id)}/active_trading_entities")
        counts = _decode(reply, dict).get("data")
        if not isinstance(counts, dict) or not counts:
            raise reply.unknown("no counts under 'data'")
        return {name: count if type(count) is int and count >= 0 else None for name, count in counts.items()}

    def run(self, method: str, path: str, params: Mapping[str, Any] | None = None, *, writes: bool = False) -> Any:
        """Send any call of the API but a sell-all; see ``ThreeCommasHook.run``."""
        call = check_call(method, path, params, writes=writes)
        reply = self.transport.send(call.method, call.path, call.query, writes=call.writes)
        if reply.status == _NO_CONTENT and not reply.body and reply.flaw is None:
            return None
        return _decode(reply, object)

    def sell_all_to_btc(
        self, account_id: int | str, *, dry_run: bool = False, unguarded: bool = False
    ) -> dict[str, Any]:
        """Sell everything on the account into BTC. Can't be undone.

        Before it sells, 3Commas stops every trading entity on the account (bots, SmartTrades, trades, deals, orders),
        Signal Bots excepted. Sent exactly once. 3Commas has no idempotency key, so after ``OutcomeUnknown`` look at
        the account first.

        :param account_id: id of the account, a positive integer.
        :param dry_run: read the account instead, and send no sell-all.
        :param unguarded: has to be ``True``, or nothing is sent: here, neither journal nor preflight guards the sell.
        :return: the Account when the orders were created (not filled), credentials replaced.
        :raises LiquidationRefused: not sent, as ``unguarded`` is not ``True``.
        :raises RequestRejected: certainly not carried out.
        :raises ConnectionFailed: not sent.
        :raises OutcomeUnknown: may or may not have been carried out.
        """
        return self.sell_all(account_id, "BTC", dry_run=dry_run, unguarded=unguarded).account

    def sell_all_to_usd(
        self, account_id: int | str, *, dry_run: bool = False, unguarded: bool = False
    ) -> dict[str, Any]:
        """Like ``sell_all_to_btc``, but into USD, on most exchanges a dollar stablecoin. Can't be undone.

        It too stops every trading entity on the account, Signal Bots excepted, and needs ``unguarded=True``.
        """
        return self.sell_all(account_id, "USD", dry_run=dry_run, unguarded=unguarded).account

    def sell_all(
        self,
        account_id: int | str,
        target: TargetName,
        *,
        dry_run: bool = False,
        before_sending: Callable[[], None] | None = None,
        unguarded: bool = False,
    ) -> SellReply:
        """Send the sell-all: the only place in this package that does, and so where a dry run stops.

        Needs a guard, which ``before_sending`` is, or ``unguarded=True``.

        :param account_id: id of the account, a positive integer.
        :param target: ``BTC`` or ``USD``.
        :param dry_run: read the account instead, and send no sell-all.
        :param before_sending: called when the connection stands, with nothing between its return and the sending; an
            exception from it ends the call with nothing sent. Called again if it took too long to return. Not called
            in a dry run.
        :param unguarded: ``True`` to send it without ``before_sending``.
        :raises ThreeCommasError: as ``sell_all_to_btc``.
        """
        account_id = parse_account_id(account_id)
        if target not in TARGETS:
            raise ConfigurationError(f"target must be one of {', '.join(TARGETS)}, got {target!r}.")
        if not isinstance(dry_run, bool):
            raise ConfigurationError(f"dry_run must be True or False, got {dry_run!r}.")
        if dry_run:
            _logger.warning("DRY RUN: the sell of account %s to %s is not sent.", account_id, target)
            return SellReply(self.get_account(account_id), None)
        if before_sending is None and unguarded is not True:
            raise LiquidationRefused(
                "Nothing was sent: outside the operators nothing guards a sell-all. No journal remembers it, so that "
                "a retried task sells again; no preflight reads the account first, and a lost answer is not looked "
                "into. Use SellAllToBtcOperator or SellAllToUsdOperator, or pass unguarded=True if that is what you "
                "want."
            )
        reply = self.transport.send(
            "POST",
            f"/ver1/accounts/{account_id}/sell_all_to_{target.lower()}",
            writes=True,
            before_sending=before_sending,
        )
        return SellReply(_account(reply, account_id), reply.request_id)


def _decode(reply: Reply, kind: type[Any]) -> Any:
    value = reply.decode()
    if not isinstance(value, kind):
        raise reply.unknown(f"a JSON {type(value).__name__} in place of a {kind.__name__}")
    return value


def _account(reply: Reply, expected_id: int) -> dict[str, Any]:
    if len(reply.body) > MOST_ACCOUNT_BYTES:
        raise reply.unknown(f"{len(reply.body)} bytes, which are no Account")
    account: dict[str, Any] = _decode(reply, dict)
    actual_id = _account_id(reply, account)
    if actual_id != expected_id:
        raise reply.unknown(f"account {actual_id} in place of {expected_id}")
    return account


def _account_id(reply: Reply, account: Any) -> int:
    identity = account.get("id") if isinstance(account, dict) else None
    if type(identity) is not int:
        raise reply.unknown("an Account without an integer 'id'")
    return identity
