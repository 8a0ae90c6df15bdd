"""The simulator as a process of its own, for demos, tests and benchmarks; standard library only."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO

_MODULE = "airflow_provider_3commas.simulator"
_LISTENING = re.compile(r"^3Commas simulator listening on (\S+)")
_POLL_SECONDS = 0.02
_END_SECONDS = 5.0


class SimulatorError(RuntimeError):
    """The simulator did not start, or refused a control request."""


class Simulator:
    """A simulator in a process of its own, started when this is made, and its control interface.

    It ends with :meth:`stop`, at the end of a ``with`` block, and when the process that started it
    is gone.

    :param scenario: a name, the path of a JSON file, or a scenario document, which may extend a name.
    :param speed: simulated seconds per real second.
    :param port: the port; 0 for any that is free.
    :param tls_cert: certificate in PEM, to speak HTTPS.
    :param tls_key: its private key.
    :param start_timeout: how many seconds it may take to start.
    :raises SimulatorError: if it does not start.
    """

    api_key = "simulator-key"
    secret = "simulator-secret-for-demos-only"  # noqa: S105 - known to everybody
    read_only_api_key = "simulator-read-key"
    read_only_secret = "simulator-read-secret-for-demos-only"  # noqa: S105 - known to everybody
    account_id = 32402783

    def __init__(
        self,
        scenario: str | dict[str, Any] = "calm",
        *,
        speed: float = 1.0,
        port: int = 0,
        tls_cert: str | Path | None = None,
        tls_key: str | Path | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        command = [sys.executable, "-m", _MODULE, "--port", str(port), "--speed", str(speed)]
        command += ["--until-stdin-closes"]
        if isinstance(scenario, str):
            command += ["--scenario", scenario]
        if tls_cert and tls_key:
            command += ["--tls-cert", str(tls_cert), "--tls-key", str(tls_key)]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
        )
        self.url = self._wait_until_listening(start_timeout)
        # A proxy from the environment is not for loopback, and the certificate is a test's own.
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=_trusting_context()))
        if not isinstance(scenario, str):
            try:
                self.reset(scenario)
            except SimulatorError:
                self.stop()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """End the process; more than once does no harm."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def control(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """Send a control request, for what has no method of its own here.

        :param method: HTTP method.
        :param path: path below ``/simulator/``.
        :param body: its body, sent as JSON.
        :param query: its query parameters; those that are none are left out.
        :return: the reply's JSON.
        :raises SimulatorError: if it is refused, or the simulator is gone.
        """
        given = {name: _query_value(value) for name, value in query.items() if value is not None}
        url = f"{self.url}/simulator/{path}{'?' + urlencode(given) if given else ''}"
        data = None if body is None else json.dumps(body, default=str).encode()
        request = Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=30) as reply:
                return json.load(reply)
        except HTTPError as err:
            with err:
                text = err.read().decode("utf-8", "replace")
            raise SimulatorError(f"{method} /simulator/{path}: {err.code} {text}") from err
        except URLError as err:
            raise SimulatorError(f"{method} /simulator/{path}: {err.reason}") from err

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        """Return the requests that reached the API.

        :param query: ``path``, ``method``, ``status``, ``since``, ``applied``, ``sell``, ``limit``.
        :return: the entries in the order they arrived.
        """
        entries: list[dict[str, Any]] = self.control("GET", "journal", **query)["requests"]
        return entries

    def clear_journal(self) -> None:
        """Forget the requests so far."""
        self.control("DELETE", "journal")

    def sells(self, account_id: int | None = None) -> list[dict[str, Any]]:
        """Return the sells that were carried out, in that order.

        :param account_id: only those on this account.
        :return: ``account_id``, ``target``, ``time``, ``orders``, ``left``, ... of each.
        """
        sells: list[dict[str, Any]] = self.control("GET", "sells", account_id=account_id)["sells"]
        return sells

    def sell_attempts(self) -> list[dict[str, Any]]:
        """Return the journal's entries that tried to sell, carried out or not."""
        return self.journal(sell=True)

    def summary(self) -> dict[str, Any]:
        """Return the counts of requests by endpoint and status, and of sells by account."""
        counts: dict[str, Any] = self.control("GET", "summary")
        return counts

    def state(self) -> dict[str, Any]:
        """Return scenario, clock, keys, accounts and limits as they are."""
        state: dict[str, Any] = self.control("GET", "state")
        return state

    def account(self, account_id: int | None = None) -> dict[str, Any]:
        """Return an account as it truly is on the exchange, whatever 3Commas shows of it.

        :param account_id: which; the demo account if left out.
        :return: balances, entities and flags.
        """
        account: dict[str, Any] = self.control("GET", f"accounts/{account_id or self.account_id}")
        return account

    def change_account(self, account_id: int | None = None, **change: Any) -> dict[str, Any]:
        """Change holdings, entities or flags of an account, or open a new one.

        :param account_id: which; the demo account if left out.
        :param change: fields of an account as in a scenario; holdings are merged, none removes one.
        :return: the account, changed.
        """
        path = f"accounts/{account_id or self.account_id}"
        account: dict[str, Any] = self.control("PATCH", path, change)
        return account

    def trade(self, currency: str, account_id: int | None = None, **trade: Any) -> dict[str, Any]:
        """Sell some of one currency at once, as a bot would.

        :param currency: what is sold.
        :param account_id: on which account; the demo account if left out.
        :param trade: ``amount`` or ``fraction`` (of what is held, up to 1), and ``into`` (``BTC`` if left out).
        :return: the account after it.
        """
        path = f"accounts/{account_id or self.account_id}/trade"
        account: dict[str, Any] = self.control("POST", path, {"currency": currency, **trade})
        return account

    def signal(self, account_id: int | None = None, **signal: Any) -> dict[str, Any]:
        """Have a Signal Bot buy through a SmartTrade.

        :param account_id: on which account; the demo account if left out.
        :param signal: fields of ``signal`` as in a scenario: ``after_seconds`` (from now), ``open_seconds``,
            ``currency``, ``fraction``, ``sells_back``.
        :return: the account after it.
        """
        path = f"accounts/{account_id or self.account_id}/signal"
        account: dict[str, Any] = self.control("POST", path, signal)
        return account

    def fault(self, action: str, **fault: Any) -> dict[str, Any]:
        """Make a later request fail, once unless ``times`` says otherwise.

        :param action: what happens: ``status``, ``json``, ``html``, ``empty``, ``redirect``,
            ``wrong_account``, ``truncate``, ``drop``, ``delay``, ``hang`` or ``hold``.
        :param fault: ``method``, ``path``, ``times``, ``skip``, ``probability``, ``seed``, ``when``, ``status``,
            ``error``, ``body``, ``headers``, ``location``, ``seconds``, ``latency``, ``reset``, ``apply_if_gone``.
        :return: all fields of the fault, with its ``id``.
        """
        ordered: dict[str, Any] = self.control("POST", "faults", {"action": action, **fault})["faults"][0]
        return ordered

    def clear_faults(self) -> None:
        """Forget all faults; held requests stay held."""
        self.control("DELETE", "faults")

    def held(self) -> list[dict[str, Any]]:
        """Return the requests that are kept waiting, the oldest first."""
        held: list[dict[str, Any]] = self.control("GET", "held")["held"]
        return held

    def wait_held(self, timeout: float = 30.0) -> dict[str, Any]:
        """Wait until a request is held, and return it.

        :param timeout: for how many seconds at most.
        :raises SimulatorError: if there is none in time.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            held = self.held()
            if held:
                return held[0]
            time.sleep(_POLL_SECONDS)
        raise SimulatorError(f"no request was held within {timeout:g} s")

    def release(self, held_id: int | None = None, *, discard: bool = False) -> int:
        """Release held requests, and return how many.

        :param held_id: only this one; all of them if left out.
        :param discard: end them without carrying out what was not carried out yet.
        """
        released: int = self.control("POST", "release", {"id": held_id, "discard": discard})["released"]
        return released

    def advance(self, seconds: float, *, limits: bool = False) -> float:
        """Jump ahead in simulated time.

        :param seconds: how far, in simulated seconds.
        :param limits: whether the clock of the rate limit, which is real time otherwise, jumps too.
        :return: simulated seconds since the start.
        """
        now: float = self.control("POST", "time", {"advance": seconds, "limits": limits})["now"]
        return now

    def reset(self, scenario: str | dict[str, Any] | None = None, *, speed: float | None = None) -> None:
        """Start over: journal, faults and sells are forgotten, held requests are discarded.

        :param scenario: a name, or a document, which may extend a name; as before if left out.
        :param speed: simulated seconds per real second; as before if left out.
        """
        self.control("POST", "reset", {"scenario": scenario, "speed": speed})

    def put_key(self, key: str, **fields: Any) -> None:
        """Add an API key, or change some fields of one.

        :param key: what the header ``Apikey`` bears.
        :param fields: ``secret``, ``public_key``, ``permissions``, ``ip_allowed``, ``state``, ``plan``,
            ``denial``, ``forbidden``, ``forbidden_text``.
        """
        self.control("POST", "keys", {"key": key, **fields})

    def rate_limit(self, **rules: Any) -> None:
        """Change some rules of the rate limit; counters, pauses and bans start over.

        :param rules: fields of ``rate_limit`` as in a scenario.
        """
        self.control("PATCH", "rate-limit", rules)

    def settings(self, **change: Any) -> dict[str, Any]:
        """Change settings of the scenario while it runs.

        :param change: ``ignores_forced_mode``, ``ignores_scope``, ``ping_and_time``, ``latency``, as in a scenario.
        :return: all settings.
        """
        settings: dict[str, Any] = self.control("PATCH", "settings", change)
        return settings

    def _wait_until_listening(self, timeout: float) -> str:
        # Reading a pipe has no timeout, so at the end of the time the process is ended instead.
        watchdog = threading.Timer(timeout, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline().decode() if self._process.stdout else ""
        finally:
            watchdog.cancel()
        found = _LISTENING.match(line)
        if found:
            return found[1]
        self._process.wait()
        self._errors.seek(0)
        message = self._errors.read().decode("utf-8", "replace").strip()
        self.stop()
        raise SimulatorError(f"the simulator did not start: {message or line or 'no output in time'}")


def _environment() -> dict[str, str]:
    """Return an environment in which the new process finds this very package, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": root + (os.pathsep + before if before else "")}


def _trusting_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
