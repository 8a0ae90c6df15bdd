"""Send a signed request once, over a kept-alive session, and know for certain whether it has left."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_3commas import __version__
from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.error_mapping import Reply, advice_on_unknown, error_for
from airflow_provider_3commas.api.errors import (
    ConfigurationError,
    ConnectionFailed,
    OutcomeUnknown,
    ThreeCommasError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.credentials import Credentials

#: Seconds after which the fence's permission to send may have been overtaken by events, and is asked for again.
FENCE_MAX_AGE = 5.0
#: How often it is asked for at most.
FENCE_TRIES = 3

_PREFIX = "/public/api"


class RequestGate(Protocol):
    """Decides when a request may be sent, and learns from the replies."""

    def admit(self) -> None:
        """Return when one more request may be sent, having counted it; raise if the caller must wait by itself."""

    def report(self, error: ThreeCommasError) -> None:
        """Hear of the error that is about to be raised because of a reply, such as a rate limit."""


class Transport:
    """Signs and sends requests with one API key. Sends nothing twice, follows no redirect, verifies every certificate.

    ``mode`` is the header ``Forced-Mode``. ``gate`` is asked before each request; without one, requests leave at once.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str,
        mode: str,
        timeouts: tuple[float, float],
        gate: RequestGate | None,
    ) -> None:
        #: Seconds to wait for a connection, and for each part of an answer.
        self.timeouts = timeouts
        #: Requests sent so far, for reports.
        self.requests_sent = 0
        self._credentials = credentials
        self._base_url = base_url
        self._gate = gate
        self._session = _new_session(base_url)
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Forced-Mode": mode,
                "User-Agent": f"airflow-provider-3commas/{__version__}",
            }
        )
        # Every request is a copy of one of these: putting one together from nothing costs more than sending it.
        self._templates = {
            method: self._session.prepare_request(requests.Request(method, base_url)) for method in ("GET", "POST")
        }

    def close(self) -> None:
        """Close the session and its connections."""
        self._session.close()

    def send(
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
        _in_flight.begin(before_sending)
        self.requests_sent += 1
        try:
            response = self._session.send(
                self._signed(method, path, params),
                timeout=self.timeouts,
                allow_redirects=False,
                proxies=self._session.proxies,
            )
        except _Aborted as aborted:
            raise aborted.error from aborted.error.__cause__
        except Exception as error:
            # Before it has left, anything but the network's errors is a defect, and says so itself.
            if not _in_flight.request_sent and not isinstance(error, (requests.RequestException, OSError)):
                raise
            raise self._error_without_reply(method, path, error, writes=writes) from _without_request(error)
        reply = Reply(method, path, response.status_code, response.headers, response.content, writes, self._hide)
        try:
            problem = error_for(reply)
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
        request.prepare_url(f"{self._base_url}{_PREFIX}{path}", params)
        request.headers["Apikey"] = self._credentials.api_key
        request.headers["Signature"] = self._credentials.signer.sign(request.path_url)
        return request

    def _error_without_reply(self, method: str, path: str, error: Exception, *, writes: bool) -> ThreeCommasError:
        what = f"{type(error).__name__}: {self._hide(_root_cause(error))}"
        if not _in_flight.request_sent:
            return ConnectionFailed(
                f"{method} {path} was not sent: no connection to {self._base_url} ({what}).",
                method=method,
                path=path,
            )
        advice = advice_on_unknown(path, writes=writes)
        return OutcomeUnknown(
            f"{method} {path} was sent, and no complete reply came ({what}). {advice}",
            method=method,
            path=path,
        )

    def _hide(self, text: str) -> str:
        return text.replace(self._credentials.api_key, "***")


class _InFlight(threading.local):
    """How far the one request that a thread has under way has come."""

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, before_sending: Callable[[], None] | None) -> None:
        self.connecting = False
        self.request_sent = False
        self.before_sending = before_sending

    def on_send(self) -> None:
        """Call the fence, again if it took too long: a process may be frozen meanwhile, and replaced."""
        if self.before_sending is not None:
            for _ in range(FENCE_TRIES):
                started = clock.instant()
                self._call_fence(self.before_sending)
                if clock.passed_since(started) < FENCE_MAX_AGE:
                    break
            else:
                raise _Aborted(
                    ConnectionFailed(
                        f"Not sent: it took longer than {FENCE_MAX_AGE:g} s to get ready for sending, "
                        f"{FENCE_TRIES} times, and the permission to send was too old by then. Nothing was sent."
                    )
                )
        self.request_sent = True

    @staticmethod
    def _call_fence(before_sending: Callable[[], None]) -> None:
        try:
            before_sending()
        except Exception as error:
            raise _Aborted(error) from error


class _Aborted(Exception):
    """Carries the caller's exception out: urllib3 swallows or wraps some that it takes for the network's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


_in_flight = _InFlight()


class _TrackedConnection:
    """A connection that marks when a request begins to leave, which no exception of ``requests`` tells reliably.

    A handshake that times out, for one, is a ``ReadTimeout`` like an answer that does not come.
    """

    sock: Any

    def connect(self) -> None:
        # What a proxy is asked for, to get through to the server, is not the request.
        _in_flight.connecting = True
        super().connect()  # type: ignore[misc]
        _in_flight.connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not _in_flight.connecting and not _in_flight.request_sent:
            _in_flight.on_send()
        super().send(data)  # type: ignore[misc]


class _HttpConnection(_TrackedConnection, HTTPConnection):
    pass


class _HttpsConnection(_TrackedConnection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _Adapter(HTTPAdapter):
    """An adapter that opens none but tracked connections, to the server or to a proxy on the way."""

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
        if not issubclass(pool.ConnectionCls, _TrackedConnection):
            raise _Aborted(
                ConfigurationError(
                    "Nothing was sent: the way to the API leads through a proxy on which it can't be told when a "
                    "request leaves (SOCKS). Use an HTTP proxy in HTTPS_PROXY, or put the host into NO_PROXY."
                )
            )
        return pool

    @staticmethod
    def _track(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def _new_session(base_url: str) -> requests.Session:
    """Return a session that has read the environment; ``requests`` itself would, at a cost, for every request."""
    session = requests.Session()
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.trust_env = False
    session.proxies, session.verify = settings["proxies"], settings["verify"]
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session


def causes(error: BaseException) -> list[BaseException]:
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
    return str(causes(error)[-1]) or type(error).__name__


def _without_request(error: Exception) -> Exception:
    """Return the error without the signed request that ``requests`` attaches, in case something prints it."""
    if isinstance(error, requests.RequestException):
        error.request = None
    return error
