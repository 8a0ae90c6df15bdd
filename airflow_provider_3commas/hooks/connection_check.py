"""Find out in a few seconds, by reading only, whether a connection works and, if not, what to change.

This is behind Airflow's *Test* button and ``airflow connections test``. Airflow shows the answer as it is, unmasked, so
nothing secret may be in it.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_provider_3commas.api.decoding import decode_json
from airflow_provider_3commas.api.error_mapping import Reply, error_for, server_time
from airflow_provider_3commas.api.errors import (
    AuthenticationError,
    ConnectionFailed,
    IpBanned,
    OutcomeUnknown,
    PermissionDenied,
    PlanLimitReached,
    RateLimitExceeded,
    ThreeCommasError,
)
from airflow_provider_3commas.api.transport import causes, root_cause
from airflow_provider_3commas.budget import Reason, WaitForBudget
from airflow_provider_3commas.hooks.connection import client_from
from airflow_provider_3commas.hooks.gates import sleeping_gate
from airflow_provider_3commas.in_words import describe_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.budget import RequestBudget, SleepingGate
    from airflow_provider_3commas.hooks.connection import ConnectionFields

#: Seconds after which the answer is given, whatever is still under way. A name server can take longer than that.
DEADLINE = 9.0
#: Seconds to wait for a connection, and for an answer; the connection's own timeout if that is shorter.
REQUEST_TIMEOUT = 4.0
#: Seconds that the test waits for the request budget; after that it says how long the wait would be.
MAX_BUDGET_WAIT = 2.0
#: Seconds by which the clocks may differ: rate limits and schedules count in minutes.
CLOCK_TOLERANCE = 60.0

_VALIDATE_PATH = "/ver1/validate"
# OpenSSL's numbers for what can be wrong with a certificate.
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = (62, 64)
# Airflow's masker leaves shorter secrets alone too: as words they would be everywhere.
_SHORTEST_SECRET = 5


class _NotTheApi(ThreeCommasError):
    """The host answers, but not as 3Commas does."""


class _Check(NamedTuple):
    client: ThreeCommasClient
    gate: SleepingGate
    #: ``API secret`` or ``RSA private key``.
    signs_with: str


def diagnose(fields: ConnectionFields) -> tuple[bool, str]:
    """Test a connection with two read-only requests; return whether it works, and a message without secrets.

    The first request bears no key: the host has to answer like 3Commas before the key is sent there.
    """
    ok, message = _diagnose_unmasked(fields)
    for secret in sorted(fields.secrets(), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            message = message.replace(secret, "***")
    return ok, message


def _diagnose_unmasked(fields: ConnectionFields) -> tuple[bool, str]:
    gates: list[SleepingGate] = []

    def gate(budget: RequestBudget) -> SleepingGate:
        gates.append(sleeping_gate(budget, max_wait=MAX_BUDGET_WAIT))
        return gates[-1]

    try:
        client = client_from(fields, gate)
    except ThreeCommasError as error:
        return False, f"Nothing was sent. {error}"
    connect, answer = client.timeouts
    client.transport.timeouts = (min(connect, REQUEST_TIMEOUT), min(answer, REQUEST_TIMEOUT))
    ok, message = _run_until_deadline(_Check(client, gates[0], fields.signs_with))
    if fields.unknown_extra:
        message += f" Ignored, because nothing is known of them: the extra fields {', '.join(fields.unknown_extra)}."
    return ok, message


def _run_until_deadline(check: _Check) -> tuple[bool, str]:
    """Run the check in a thread: a name server that does not answer can't be interrupted."""
    results: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
    threading.Thread(target=lambda: results.put(_run(check)), daemon=True, name="connection-test").start()
    try:
        return results.get(timeout=DEADLINE)
    except queue.Empty:
        return False, (
            f"No result within {DEADLINE:g} s: {check.client.base_url} answers too slowly, or its name can't be "
            "resolved in that time."
        )


def _run(check: _Check) -> tuple[bool, str]:
    client, right, clock = check.client, True, ""
    try:
        right, clock = _judge_clock(_measure_clock_offset(check))
        accounts = client.list_accounts()
    except ThreeCommasError as error:
        return False, _explain(error, check) + clock
    except Exception as error:  # Airflow would show it with whatever is in it
        return False, f"The test itself failed: {type(error).__name__}: {error}."
    finally:
        client.close()
    return right, _describe(client, accounts) + clock


def _describe(client: ThreeCommasClient, accounts: list[dict[str, Any]]) -> str:
    other = "paper" if client.mode == "real" else "real"
    if not accounts:
        return (
            f"Connected in {client.mode} mode. The key can read exchange accounts, but there is none in this mode; "
            f"those of {other} mode are different ones."
        )
    sellable = sum(account.get("fast_convert_available") is True for account in accounts)
    noun = "exchange account" if len(accounts) == 1 else "exchange accounts"
    return (
        f"Connected in {client.mode} mode: the key can read {len(accounts)} {noun}, {sellable} of them with sell-all. "
        "Whether it may sell (ACCOUNTS_WRITE) was not tried: this test only reads."
    )


def _measure_clock_offset(check: _Check) -> float | None:
    """Send no key, see that it is 3Commas that misses it, and return the seconds by which our clock is ahead.

    ``None`` if the answer has no date.
    """
    check.gate.admit()
    sent = time.time()
    reply = check.client.transport.ask_unsigned(_VALIDATE_PATH)
    problem = error_for(reply)
    if not isinstance(problem, AuthenticationError):
        if problem is None or not _is_trouble_of_the_api(problem):
            raise _not_the_api(reply) from problem
        check.gate.report(problem)
        raise problem
    server = server_time(reply.headers)
    return None if server is None else (sent + time.time()) / 2 - server.timestamp()


def _is_trouble_of_the_api(problem: ThreeCommasError) -> bool:
    """Whether 3Commas can answer so to a request without a key that it does not get round to looking at."""
    return isinstance(problem, (RateLimitExceeded, IpBanned, PlanLimitReached)) or (problem.status_code or 0) >= 500


def _not_the_api(reply: Reply) -> _NotTheApi:
    try:
        decode_json(reply.body)
        what = "JSON, but not what 3Commas sends"
    except ValueError:
        what = reply.describe_body()
    return _NotTheApi(f"status {reply.status} and {what}", status_code=reply.status)


def _judge_clock(ahead: float | None) -> tuple[bool, str]:
    """Return whether the clock may be right, and what there is to say of it."""
    if ahead is None:
        return True, " The clock was not tried: the answer has no date."
    if abs(ahead) <= CLOCK_TOLERANCE:
        return True, ""
    off = f"{describe_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'}"
    return False, (
        f" Clock far off: that of {_machine()} is {off} that of 3Commas. Set it (NTP): schedules, the "
        "lateness guard and the request budget rely on it."
    )


def _explain(error: ThreeCommasError, check: _Check) -> str:
    """Return what an error means for the person who set the connection up."""
    for kind, explain in _EXPLANATIONS.items():
        if isinstance(error, kind):
            return explain(error, check)
    return str(error)


def _budget_used_up(error: ThreeCommasError, _: _Check) -> str:
    left = describe_duration(error.retry_after or 0)
    if isinstance(error, WaitForBudget) and error.reason is Reason.PAUSE:
        return (
            f"Rate limit pause, {left} left: 3Commas told this key to pause, so the test asks nothing now. Going on "
            "would get the IP address banned."
        )
    return (
        "Not tested now: the requests that this key may send in a minute are taken, by tasks or other tests. Try again "
        f"in {left}."
    )


def _unauthorized(error: ThreeCommasError, check: _Check) -> str:
    if error.code == "signature_invalid":
        return (
            f"Wrong signature ({_code(error)}): 3Commas knows the API key, but the {check.signs_with} does not "
            "belong to it, or is not complete. Copy it again, from the same API key. If it is right, see whether the "
            f"key is limited to IP addresses: the answer is a 401 then too, and this test ran on {_machine()}."
        )
    return (
        f"API key refused ({_code(error)}). 3Commas gives the same answer for a wrong key, an expired one, and an IP "
        "address that is not on the key's list. Copy the key again, then check the list: this test ran on "
        f"{_machine()}, and workers may go out from other addresses."
    )


def _forbidden(error: ThreeCommasError, _: _Check) -> str:
    return f"Key and signature are good, but reading the accounts is refused. {error}"


def _plan(error: ThreeCommasError, _: _Check) -> str:
    return (
        f"The 3Commas subscription plan does not include this use of the API ({_code(error)}). Waiting does not help. "
        "Reading needs a plan that includes it, and so does selling."
    )


def _rate_limit(error: ThreeCommasError, _: _Check) -> str:
    return (
        f"Rate limit ({_code(error)}): {describe_duration(error.retry_after or 0)} left. Everything that uses this key "
        "pauses until then. If that happens again, something else uses the key too: lower the requests per minute."
    )


def _ban(error: ThreeCommasError, _: _Check) -> str:
    return (
        f"The IP address of {_machine()} is banned for going on after a rate limit ({_code(error)}): at least "
        f"{describe_duration(error.retry_after or 0)} left. Send nothing until then; each try makes it longer."
    )


def _no_connection(error: ThreeCommasError, check: _Check) -> str:
    from requests.exceptions import ProxyError

    chain = causes(error)
    url = check.client.base_url
    reason = root_cause(error)
    if any(isinstance(cause, ProxyError) for cause in chain):
        return f"Host unreachable: the proxy on the way to {url} fails ({reason}). Check HTTPS_PROXY and NO_PROXY."
    for kind, explain in _NETWORK.items():
        for cause in chain:
            if isinstance(cause, kind):
                return explain(cause, url, check.client.timeouts)
    return f"Host unreachable: no connection to {url} ({reason})."


def _no_answer(error: ThreeCommasError, check: _Check) -> str:
    if error.status_code is None:
        return _no_connection(error, check)
    url = check.client.base_url
    if error.status_code >= 500:
        return f"{url} has trouble of its own (status {error.status_code}). Try again in some minutes. {error}"
    return f"{url} answers, but not as the 3Commas API does. Check the host, and any proxy in between. {error}"


def _wrong_host(error: ThreeCommasError, check: _Check) -> str:
    return (
        f"{check.client.base_url} answers, but is not the 3Commas API: it sent {error}. The key was not sent "
        "there. Check the host (leave it empty for the real 3Commas), and any proxy or login page in between."
    )


_EXPLANATIONS: dict[type[ThreeCommasError], Callable[[ThreeCommasError, _Check], str]] = {
    WaitForBudget: _budget_used_up,
    AuthenticationError: _unauthorized,
    PermissionDenied: _forbidden,
    PlanLimitReached: _plan,
    RateLimitExceeded: _rate_limit,
    IpBanned: _ban,
    ConnectionFailed: _no_connection,
    _NotTheApi: _wrong_host,
    OutcomeUnknown: _no_answer,
}


def _certificate(cause: BaseException, url: str, _: tuple[float, float]) -> str:
    code = getattr(cause, "verify_code", 0)
    if code in (_NOT_YET_VALID, _EXPIRED):
        problem = "has expired" if code == _EXPIRED else "is not valid yet"
        advice = f"Is the clock of {_machine()} right? It says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    elif code in _WRONG_NAME:
        problem, advice = "is for another name", "Check the host."
    else:
        problem = "is not from an authority that this machine trusts"
        advice = (
            "If a proxy of your network inspects TLS, put its certificate into a file and the file's path into the "
            "environment variable REQUESTS_CA_BUNDLE."
        )
    return f"TLS failure: the certificate of {url} {problem} ({getattr(cause, 'verify_message', cause)}). {advice}"


def _tls(cause: BaseException, url: str, _: tuple[float, float]) -> str:
    reason = getattr(cause, "reason", None) or cause
    return f"TLS failure: no encrypted connection to {url} ({reason}). Check host and port, and any proxy in between."


def _dns(cause: BaseException, url: str, _: tuple[float, float]) -> str:
    reason = getattr(cause, "strerror", None) or cause
    return f"Host unreachable: the name {urlsplit(url).hostname} can't be resolved ({reason}). Check the host."


def _connection_refused(_cause: BaseException, url: str, _: tuple[float, float]) -> str:
    return f"Host unreachable: nothing listens at {url} (connection refused). Check host and port."


def _timeout(_cause: BaseException, url: str, timeouts: tuple[float, float]) -> str:
    return f"Host unreachable: no answer from {url} within {max(timeouts):g} s. Is there a firewall in between?"


# The first class that one of the causes is of counts.
_NETWORK: dict[type[BaseException], Callable[[BaseException, str, tuple[float, float]], str]] = {
    ssl.SSLCertVerificationError: _certificate,
    ssl.SSLError: _tls,
    socket.gaierror: _dns,
    ConnectionRefusedError: _connection_refused,
    TimeoutError: _timeout,
}


def _code(error: ThreeCommasError) -> str:
    """Return status and code of a refusal, by which it can be looked up."""
    return " ".join(str(part) for part in (error.status_code, error.code) if part)


def _machine() -> str:
    return f"the machine {socket.gethostname()}"
