"""The 3Commas REST API as methods: sign, send once, and say for certain what became of it."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_3commas import __version__
from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.account_ids import parse_account_id
from airflow_provider_3commas.api.balance_rows import BalanceRow, decode_balance_rows
from airflow_provider_3commas.api.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_provider_3commas.api.error_mapping import Reply, decode_json, describe_body, failure
from airflow_provider_3commas.api.errors import (
    ConfigurationError,
    ConnectionFailed,
    OutcomeUnknown,
    ThreeCommasError,
)
from airflow_provider_3commas.api.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.credentials import Credentials

#: What a sell-all can turn everything into.
Target = Literal["BTC", "USD"]
#: The user's real accounts or the paper ones.
Mode = Literal["real", "paper"]

#: Seconds to wait for an answer; for a connection never longer.
DEFAULT_TIMEOUT = 30.0
#: Accounts a page: the most that the API gives.
PAGE_SIZE = 100

#: A permission to send that took longer to get may have been overtaken by events, and is asked for again.
PERMISSION_SECONDS = 5.0
#: How often it is asked for.
PERMISSION_TRIES = 3

_PREFIX = "/public/api"
_logger = logging.getLogger(__name__)


class RequestGate(Protocol):
    """Decide when a request may leave, and learn from the replies."""

    def admit(self) -> None:
        """Return when one more request may be sent, having counted it; raise if the caller must wait by itself."""

    def report(self, error: ThreeCommasError) -> None:
        """Take note of an error that a reply brought, such as a rate limit.

        :param error: the error about to be raised.
        """


class SellReply(NamedTuple):
    """Hold what an accepted sell was answered with.

    :param account: the Account when the orders were created, credentials replaced.
    :param request_id: the reply's ``X-Request-Id``; ``None`` if it had none.
    """

    account: dict[str, Any]
    request_id: str | None


class ThreeCommasClient:
    """Talk to the 3Commas REST API with one API key, over one kept-alive session.

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
        #: Seconds to wait for a connection, and for each part of an answer.
        self.timeouts = (min(float(timeout), DEFAULT_TIMEOUT), float(timeout))
        #: Requests sent so far, for reports.
        self.requests_sent = 0
        self._credentials = credentials
        self._gate = gate
        self._session = _session(self.base_url)
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Forced-Mode": mode,
                "User-Agent": f"airflow-provider-3commas/{__version__}",
            }
        )
        # Every request is a copy of one of these: putting one together from nothing costs more than sending it.
        self._templates = {
            method: self._session.prepare_request(requests.Request(method, self.base_url)) for method in ("GET", "POST")
        }

    @property
    def api_key_hash(self) -> str:
        """Tell API keys apart without naming them."""
        return hashlib.sha256(self._credentials.api_key.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"ThreeCommasClient(base_url={self.base_url!r}, mode={self.mode!r}, credentials=***)"

    def close(self) -> None:
        """Close the session and its connections."""
        self._session.close()

    def validate(self) -> bool:
        """Prove that the key and the signature are good (permission: none).

        :return: what the API says of them; it answers 401 rather than ``False``.
        :raises ThreeCommasError: the request failed.
        """
        reply = self._send("GET", "/ver1/validate")
        body = _decoded(reply, dict)
        if not isinstance(body.get("valid"), bool):
            raise reply.unknown("no 'valid' in the object")
        return bool(body["valid"])

    def list_accounts(self) -> list[dict[str, Any]]:
        """Return every exchange account of the user in this mode, over as many pages as it takes.

        :return: Accounts as the API sends them, credentials replaced.
        :raises ThreeCommasError: a request failed.
        """
        accounts: dict[int, dict[str, Any]] = {}
        page = 1
        while True:
            reply = self._send("GET", "/ver1/accounts", {"page": str(page), "per_page": str(PAGE_SIZE)})
            batch = _decoded(reply, list)
            known = len(accounts)
            accounts.update((_account_id(reply, account), redact_credentials(account)) for account in batch)
            # A server that ignores ``page`` would send the same page for ever.
            if len(batch) < PAGE_SIZE or len(accounts) == known:
                return list(accounts.values())
            page += 1

    def get_account(self, account_id: int | str) -> dict[str, Any]:
        """Return one exchange account.

        :param account_id: the account's id.
        :return: the Account, credentials replaced, fractional numbers as ``Decimal``.
        :raises ThreeCommasError: the request failed, or the reply is not this account.
        """
        asked = parse_account_id(account_id)
        return _account(self._send("GET", f"/ver1/accounts/{asked}"), asked)

    def load_balances(self, account_id: int | str) -> dict[str, Any]:
        """Ask 3Commas to fetch the account's balances from the exchange; the view may lag for a while after.

        :param account_id: the account's id.
        :return: the Account as 3Commas sees it now.
        :raises ThreeCommasError: the request failed, or the reply is not this account.
        """
        asked = parse_account_id(account_id)
        return _account(self._send("POST", f"/ver1/accounts/{asked}/load_balances"), asked)

    def get_balances(self, account_id: int | str) -> list[BalanceRow]:
        """Return the account's holdings (``account_table_data``).

        :param account_id: the account's id.
        :return: one row a currency, what can't be read in it ``None``; empty if 3Commas has no view of the account at
            the moment.
        :raises ThreeCommasError: the request failed, or the reply is not a list of objects.
        """
        reply = self._send("POST", f"/ver1/accounts/{parse_account_id(account_id)}/account_table_data")
        try:
            return decode_balance_rows(reply.body)
        except ValueError as error:
            raise reply.unknown(f"{describe_body(reply)} ({error})") from error

    def get_active_entities(self, account_id: int | str) -> dict[str, int | None]:
        """Return how many bots, deals, SmartTrades, orders and grid bots are active on the account.

        :param account_id: the account's id.
        :return: the API's counts by name, e.g. ``{"active_bots_count": 5, ...}``; ``None`` for what is not a count,
            which is not zero: nothing is known about it.
        :raises ThreeCommasError: the request failed, or the reply holds no counts.
        """
        reply = self._send("GET", f"/ver1/accounts/{parse_account_id(account_id)}/active_trading_entities")
        counts = _decoded(reply, dict).get("data")
        if not isinstance(counts, dict) or not counts:
            raise reply.unknown("no counts under 'data'")
        return {name: count if type(count) is int and count >= 0 else None for name, count in counts.items()}

    def sell_all_to_btc(self, account_id: int | str, *, dry_run: bool = False) -> dict[str, Any]:
        """Sell everything on the account into BTC and stop every bot, deal and order on it. Can't be undone.

        Sent exactly once. 3Commas has no idempotency key, so after ``OutcomeUnknown`` look at the account first.

        :param account_id: the account's id.
        :param dry_run: send a read of the account in place of the sell.
        :return: the Account when the orders were created (not filled), credentials replaced.
        :raises RequestRejected: certainly not carried out.
        :raises ConnectionFailed: not sent.
        :raises OutcomeUnknown: may or may not have been carried out.
        """
        return self.sell_all(account_id, "BTC", dry_run=dry_run).account

    def sell_all_to_usd(self, account_id: int | str, *, dry_run: bool = False) -> dict[str, Any]:
        """Sell everything on the account into USD, on most exchanges a dollar stablecoin. Can't be undone.

        :param account_id: the account's id.
        :param dry_run: send a read of the account in place of the sell.
        :return: as ``sell_all_to_btc``.
        :raises ThreeCommasError: as ``sell_all_to_btc``.
        """
        return self.sell_all(account_id, "USD", dry_run=dry_run).account

    def sell_all(
        self,
        account_id: int | str,
        target: Target,
        *,
        dry_run: bool = False,
        before_sending: Callable[[], None] | None = None,
    ) -> SellReply:
        """Send the sell: the only place in this package that does, and so where a dry run stops.

        :param account_id: the account's id.
        :param target: ``BTC`` or ``USD``.
        :param dry_run: send a read of the account in place of the sell.
        :param before_sending: called when the connection stands, with nothing between its return and the sending; an
            exception from it ends the call with nothing sent. Called again if it took too long to return. Not called
            in a dry run.
        :return: the Account, and the reply's request id.
        :raises ThreeCommasError: as ``sell_all_to_btc``.
        """
        asked = parse_account_id(account_id)
        if target not in ("BTC", "USD"):
            raise ConfigurationError(f"target must be 'BTC' or 'USD', got {target!r}.")
        if not isinstance(dry_run, bool):
            raise ConfigurationError(f"dry_run must be True or False, got {dry_run!r}.")
        if dry_run:
            _logger.warning("DRY RUN: the sell of account %s to %s is not sent.", asked, target)
            return SellReply(self.get_account(asked), None)
        reply = self._send(
            "POST", f"/ver1/accounts/{asked}/sell_all_to_{target.lower()}", writes=True, before_sending=before_sending
        )
        return SellReply(_account(reply, asked), reply.headers.get("X-Request-Id"))

    def _send(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        *,
        writes: bool = False,
        before_sending: Callable[[], None] | None = None,
    ) -> Reply:
        """Send one request once and return its 2xx reply, or raise what became of it."""
        if self._gate is not None:
            self._gate.admit()
        _progress.begin(before_sending)
        self.requests_sent += 1
        try:
            response = self._session.send(
                self._signed(method, path, params),
                timeout=self.timeouts,
                allow_redirects=False,
                proxies=self._session.proxies,
            )
        except _Stopped as stopped:
            raise stopped.error from stopped.error.__cause__
        except Exception as error:
            # Before it has left, anything but the network's errors is a defect, and says so itself.
            if not _progress.request_sent and not isinstance(error, (requests.RequestException, OSError)):
                raise
            raise self._no_reply(method, path, error, writes=writes) from _without_secrets(error)
        reply = Reply(method, path, response.status_code, response.headers, response.content, writes, self._hide)
        try:
            problem = failure(reply)
        except (ValueError, ArithmeticError, RecursionError, TypeError) as error:
            problem = reply.unknown(f"a reply that can't be read ({type(error).__name__})")
        if problem is None:
            return reply
        if self._gate is not None:
            self._gate.report(problem)
        raise problem

    def _signed(self, method: str, path: str, params: dict[str, str] | None) -> requests.PreparedRequest:
        """Return a request whose signature is that of the path and query which are sent, after all encoding."""
        request = self._templates[method].copy()
        request.prepare_url(f"{self.base_url}{_PREFIX}{path}", params)
        request.headers["Apikey"] = self._credentials.api_key
        request.headers["Signature"] = self._credentials.signer.sign(request.path_url)
        return request

    def _no_reply(self, method: str, path: str, error: Exception, *, writes: bool) -> ThreeCommasError:
        what = f"{type(error).__name__}: {self._hide(_root_cause(error))}"
        if not _progress.request_sent:
            return ConnectionFailed(
                f"{method} {path} was not sent: no connection to {self.base_url} ({what}).",
                method=method,
                path=path,
            )
        meaning = (
            "Whether the sell was carried out is unknown; look at the account before selling again."
            if writes
            else "The read can be repeated."
        )
        return OutcomeUnknown(
            f"{method} {path} was sent, and no complete reply came ({what}). {meaning}",
            method=method,
            path=path,
        )

    def _hide(self, text: str) -> str:
        return text.replace(self._credentials.api_key, "***")


class _Progress(threading.local):
    """Follow the one request that a thread has under way."""

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, before_sending: Callable[[], None] | None) -> None:
        self.connecting = False
        self.request_sent = False
        self.before_sending = before_sending

    def leave(self) -> None:
        """Ask for permission, and take it only while it is fresh: a process may be frozen meanwhile, and replaced."""
        if self.before_sending is not None:
            for _ in range(PERMISSION_TRIES):
                asked = clock.instant()
                self._ask(self.before_sending)
                if clock.passed_since(asked) < PERMISSION_SECONDS:
                    break
            else:
                raise _Stopped(
                    ConnectionFailed(
                        f"Not sent: it took longer than {PERMISSION_SECONDS:g} s to get ready for sending, "
                        f"{PERMISSION_TRIES} times, and the permission to send was too old by then. Nothing was sent."
                    )
                )
        self.request_sent = True

    @staticmethod
    def _ask(before_sending: Callable[[], None]) -> None:
        try:
            before_sending()
        except Exception as error:
            raise _Stopped(error) from error


class _Stopped(Exception):
    """Carry the caller's exception out; urllib3 swallows or wraps some that it takes for the network's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


_progress = _Progress()


class _Tracked:
    """Know when a request begins to leave, which no exception of ``requests`` tells reliably.

    A handshake that times out, for one, is a ``ReadTimeout`` like an answer that does not come.
    """

    sock: Any

    def connect(self) -> None:
        # What a proxy is asked for, to get through to the server, is not the request.
        _progress.connecting = True
        super().connect()  # type: ignore[misc]
        _progress.connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not _progress.connecting and not _progress.request_sent:
            _progress.leave()
        super().send(data)  # type: ignore[misc]


class _HttpConnection(_Tracked, HTTPConnection):
    pass


class _HttpsConnection(_Tracked, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _Adapter(HTTPAdapter):
    """Open none but tracked connections, to the server or to a proxy on the way."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._track(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if isinstance(manager, ProxyManager):  # SOCKS proxies have a manager of another kind
            self._track(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _Tracked):
            raise _Stopped(
                ConfigurationError(
                    "Nothing was sent: the way to the API leads through a proxy on which it can't be told when a "
                    "request leaves (SOCKS). Use an HTTP proxy in HTTPS_PROXY, or put the host into NO_PROXY."
                )
            )
        return pool

    @staticmethod
    def _track(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def _session(base_url: str) -> requests.Session:
    """Return a session that has read the environment; ``requests`` itself would, at a cost, for every request."""
    session = requests.Session()
    found = session.merge_environment_settings(base_url, {}, None, None, None)
    session.trust_env = False
    session.proxies, session.verify = found["proxies"], found["verify"]
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it wraps; urllib3 keeps the cause in ``reason``, requests in ``args``."""
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        item = queue.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [getattr(item, "reason", None), *item.args, item.__cause__]
    return found


def _root_cause(error: Exception) -> str:
    """Return the innermost cause's own words; the outer ones print the pool and the object's address."""
    return str(_causes(error)[-1]) or type(error).__name__


def _without_secrets(error: Exception) -> Exception:
    """Drop what a ``requests`` error carries of the signed request, in case something prints its attributes."""
    if isinstance(error, requests.RequestException):
        error.request = None
    return error


def _decoded(reply: Reply, kind: type[Any]) -> Any:
    try:
        value = decode_json(reply.body)
    except (ValueError, ArithmeticError, RecursionError):
        raise reply.unknown(describe_body(reply)) from None
    if not isinstance(value, kind):
        raise reply.unknown(f"a JSON {type(value).__name__} in place of a {kind.__name__}")
    return value


def _account(reply: Reply, asked: int) -> dict[str, Any]:
    account = _decoded(reply, dict)
    got = _account_id(reply, account)
    if got != asked:
        raise reply.unknown(f"account {got} in place of {asked}")
    try:
        redacted: dict[str, Any] = redact_credentials(account)
    except RecursionError:
        raise reply.unknown("an Account that is nested too deeply") from None
    return redacted


def _account_id(reply: Reply, account: Any) -> int:
    identity = account.get("id") if isinstance(account, dict) else None
    if type(identity) is not int:
        raise reply.unknown("an Account without an integer 'id'")
    return identity
