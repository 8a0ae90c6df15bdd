"""Send a signed request once, over a kept-alive session, and know for certain whether it has left."""

from __future__ import annotations

import functools
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol

import requests

from airflow_provider_3commas import __version__
from airflow_provider_3commas.api.connections import Aborted, Adapter, in_flight, read_body
from airflow_provider_3commas.api.decoding import MOST_QUOTED
from airflow_provider_3commas.api.error_mapping import Reply, advice_on_unknown, error_for
from airflow_provider_3commas.api.errors import ConnectionFailed, OutcomeUnknown, ThreeCommasError
from airflow_provider_3commas.api.redaction import REDACTED, Secret, redacted_text, without_frames
from airflow_provider_3commas.api.request_rules import METHODS
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_3commas.api.credentials import Credentials

    _Params = Mapping[str, str] | Sequence[tuple[str, str]]

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
                "Accept-Encoding": "identity",
                "Forced-Mode": mode,
                "User-Agent": f"airflow-provider-3commas/{__version__}",
            }
        )
        # Every request is a copy of one of these: putting one together from nothing costs more than sending it.
        self._templates = {
            method: self._session.prepare_request(requests.Request(method, base_url)) for method in METHODS
        }

    def close(self) -> None:
        """Close the session and its connections."""
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        params: _Params | None = None,
        *,
        writes: bool = False,
        before_sending: Callable[[], None] | None = None,
    ) -> Reply:
        """Send one request once and return its 2xx reply, or raise what became of it."""
        if self._gate is not None:
            self._gate.admit()
        self.requests_sent += 1
        request = self._unsigned(method, path, params)
        self._sign(request)
        reply = self._exchange(request, path, writes=writes, before_sending=before_sending)
        problem = error_for(reply)
        if problem is None:
            return reply
        if self._gate is not None:
            self._gate.report(problem)
        raise problem

    def ask_unsigned(self, path: str) -> Reply:
        """Send a GET without key and signature, past the gate, and return what came back, whatever it is."""
        return self._exchange(self._unsigned("GET", path, None), path)

    def _exchange(
        self,
        request: requests.PreparedRequest,
        path: str,
        *,
        writes: bool = False,
        before_sending: Callable[[], None] | None = None,
    ) -> Reply:
        """Send the request and return what came back, whatever it is."""
        in_flight.begin(before_sending, self.timeouts)
        method, hide = str(request.method), self._hider(request.headers.get("Signature"))
        failure: Exception
        try:
            response = self._session.send(
                request,
                stream=True,
                timeout=self.timeouts,
                allow_redirects=False,
                proxies=self._session.proxies,
            )
            body, flaw = read_body(response)
            return Reply(method, path, response.status_code, response.headers, body, writes, hide, flaw)
        except Aborted as aborted:
            failure = aborted.error
        except Exception as error:
            # Before it has left, anything but the network's errors is a defect, and says so itself.
            if not _may_have_left(error) and not isinstance(error, (requests.RequestException, OSError)):
                raise
            failure = self._error_without_reply(method, path, error, hide, writes=writes)
            failure.__cause__ = _cause_of_the_network(error)
        # Raised here, so that nothing which shows a traceback with its values comes upon the signed request below.
        raise failure from failure.__cause__

    def _unsigned(self, method: str, path: str, params: _Params | None) -> requests.PreparedRequest:
        request = self._templates[method].copy()
        request.prepare_url(f"{self._base_url}{_PREFIX}{path}", params)
        return request

    def _sign(self, request: requests.PreparedRequest) -> None:
        """Sign the path and query as they are sent, after all encoding."""
        request.headers["Apikey"] = self._credentials.api_key
        request.headers["Signature"] = Secret(self._credentials.signer.sign(request.path_url))

    def _error_without_reply(
        self, method: str, path: str, error: Exception, hide: Callable[[str], str], *, writes: bool
    ) -> ThreeCommasError:
        cause = one_line(hide(root_cause(error)), MOST_QUOTED)
        what = f"{type(error).__name__}: {cause}"
        if not _may_have_left(error):
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

    def _hider(self, signature: str | None) -> Callable[[str], str]:
        """Return what takes the API key and a signature out of a text: with the two, anybody can send the request."""
        api_key = self._credentials.api_key
        secrets = [api_key, signature] if signature else [api_key]
        return lambda text: functools.reduce(lambda shown, secret: shown.replace(secret, REDACTED), secrets, text)


class _Session(requests.Session):
    """A session that looks at nothing in a reply: a redirect's target and cookies can be anything."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none, or ``requests`` would parse it even where it is not followed."""


def _new_session(base_url: str) -> requests.Session:
    """Return a session that has read the environment; ``requests`` itself would, at a cost, for every request."""
    session = _Session()
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.trust_env = False
    session.proxies, session.verify = settings["proxies"], settings["verify"]
    if base_url.startswith("http://"):
        # Loopback: a proxy may be another machine, and would get key and signature in clear.
        session.proxies = {}
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter())
    return session


def _may_have_left(error: Exception) -> bool:
    if in_flight.tracked:
        return in_flight.request_sent
    # Something else has taken the place of the connections, as tests do: then the error's class is all there is.
    lost = (requests.ReadTimeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    certain = (requests.ConnectTimeout, requests.exceptions.ProxyError, requests.exceptions.SSLError)
    return isinstance(error, lost) and not isinstance(error, certain)


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


def _cause_of_the_network(error: BaseException) -> BaseException | None:
    """Return what the network did, as far as it is an error of its own; others hold the signed request."""
    chain = causes(error)
    innermost = without_frames(chain[-1]) if isinstance(chain[-1], OSError) and chain[-1] is not error else None
    if not any(isinstance(cause, requests.exceptions.ProxyError) for cause in chain):
        return innermost
    proxy_error = requests.exceptions.ProxyError(root_cause(error))
    proxy_error.__cause__ = innermost
    return proxy_error


def root_cause(error: BaseException) -> str:
    """Return the innermost cause's own words; the outer ones print the pool and the object's address."""
    if isinstance(error, requests.exceptions.InvalidURL):  # which quotes it, and a proxy's may have a password
        return "an address that is no URL; look at HTTPS_PROXY, if it is set"
    return redacted_text(str(causes(error)[-1])) or type(error).__name__
