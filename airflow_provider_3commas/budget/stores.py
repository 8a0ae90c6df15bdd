"""Where the ledger is kept: a SQLite file for the processes of one machine, Redis for several, or this process.

A store applies a function to the ledger as one step that no other process can get between: SQLite in a ``BEGIN
IMMEDIATE`` transaction, Redis by writing the new ledger only if the old one is still there. Many that ask Redis at once
would overtake one another in that for ever, so for the one change that many make at once, counting a request, Redis
has a script that does what ``Ledger.reserve`` does; a test holds the two against each other.

pyrate-limiter (4.5.1) was tried for the counting and is not used. Sixteen processes on its SQLite bucket were granted
102 to 113 of 100, because it counts and inserts in two steps; with its file lock a non-blocking request raises
``TypeError`` (it passes a ``bool`` as the timeout to filelock 4) and a blocking one sleeps inside. What has to be one
step with the count - pause, queue, the sells' share - would have come on top in a second store with a lock of its own.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.budget.ledger import (
    CATCH_UP,
    MAX_PAUSE,
    MAX_WAITERS,
    Ledger,
    Reason,
    Reservation,
    Reserve,
)
from airflow_provider_3commas.budget.scripts import SCRIPTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    import redis

T = TypeVar("T")
Change: TypeAlias = "Callable[[Ledger, int], T]"

#: Longest that a store may keep its caller before it counts as trouble, in seconds.
PATIENCE = 2.0

#: Connections of a parent process, kept from being closed when they would be collected.
_parents: list[object] = []

_SCHEMES = "sqlite, redis, rediss, unix or memory"


class StoreTrouble(Exception):
    """The store can't be used at the moment; the message says which and why, and holds no password."""


class Store(Protocol):
    """Keep one ledger."""

    def update(self, change: Change[T], missed: Ledger | None = None) -> tuple[T, Ledger, int]:
        """Apply a change as one step.

        :param change: gets the ledger and the store's time in milliseconds; may be called more than once.
        :param missed: what was counted while the store was out of reach, to be added first.
        :return: what the change returned, the ledger after it, and the store's time.
        :raises StoreTrouble: nothing was changed, or it cannot be told.
        """

    def close(self) -> None:
        """Let go of files and connections."""

    def after_fork(self) -> None:
        """In a child process: forget the parent's connection, which must not even be closed here."""


class MemoryStore:
    """Keep the ledger in this process.

    :param clock: seconds since the epoch.
    :param ledger: what to start with.
    """

    def __init__(self, clock: Callable[[], float], ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self._clock = clock
        self._lock = threading.Lock()

    def update(self, change: Change[T], missed: Ledger | None = None) -> tuple[T, Ledger, int]:
        """Apply a change; see ``Store``."""
        with self._lock:
            now = _milliseconds(self._clock())
            return _apply(change, missed, self.ledger, now), self.ledger, now

    def close(self) -> None:
        """Have nothing to let go of."""

    def after_fork(self) -> None:
        """Replace a lock that a thread of the parent may hold for ever."""
        self._lock = threading.Lock()


class SqliteStore:
    """Keep the ledger as a row of a SQLite file.

    The caller sees to it that one thread at a time is inside, and that an instance is not used on both sides of a
    fork.

    :param path: the file; it and its directory are made if missing.
    :param identity: the row.
    :param clock: seconds since the epoch.
    """

    def __init__(self, path: Path, identity: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._identity = identity
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def update(self, change: Change[T], missed: Ledger | None = None) -> tuple[T, Ledger, int]:
        """Apply a change; see ``Store``."""
        import sqlite3

        try:
            connection = self._connected()
            with _transaction(connection):
                row = connection.execute("SELECT ledger FROM budget WHERE id = ?", (self._identity,)).fetchone()
                ledger = _decode(row[0] if row else None)
                now = _milliseconds(self._clock())
                result = _apply(change, missed, ledger, now)
                connection.execute("REPLACE INTO budget VALUES (?, ?)", (self._identity, _encode(ledger)))
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreTrouble(self._explain(error)) from error
        return result, ledger, now

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def after_fork(self) -> None:
        """Forget the connection; see ``Store``."""
        _parents.append(self._connection)
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        """Return the open file, opened anew if somebody removed or replaced it."""
        import sqlite3

        if self._connection is not None:
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == self._inode:
                    return self._connection
            self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            # SQLite does not wait for this one when several processes make the file at the same time.
            _when_free(connection, "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with _transaction(connection):
                connection.execute("CREATE TABLE IF NOT EXISTS budget (id TEXT PRIMARY KEY, ledger BLOB NOT NULL)")
            self._inode = self._path.stat().st_ino
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _explain(self, error: Exception) -> str:
        import sqlite3

        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        advice = f" Delete {self._path} and, if there, {self._path.name}-wal and -shm beside it." if broken else ""
        return f"the SQLite file {self._path} can't be used ({type(error).__name__}: {error}).{advice}"


class RedisStore:
    """Keep the ledger as one key of a Redis server, whose clock counts for everybody.

    :param url: ``redis://``, ``rediss://`` or ``unix://``.
    :param identity: part of the key.
    :param clock: replaces the server's clock.
    """

    #: Bans are remembered for as long after their end as the longest one lasts.
    _EXPIRY = 3 * MAX_PAUSE

    def __init__(self, url: str, identity: str, clock: Callable[[], float] | None = None) -> None:
        self._url = url
        self._key = f"airflow-provider-3commas:budget:{identity}"
        self._clock = clock
        self._client: redis.Redis | None = None
        self._scripts: dict[str, Any] = {}

    def update(self, change: Change[T], missed: Ledger | None = None) -> tuple[T, Ledger, int]:
        """Apply a change; see ``Store``."""
        try:
            import redis
        except ImportError as error:
            raise StoreTrouble(
                f"budget_url names {describe_url(self._url)}, and the package for it is not installed here. "
                "Install airflow-provider-3commas[redis]."
            ) from error
        try:
            if isinstance(change, Reserve) and missed is None:
                return cast("tuple[T, Ledger, int]", self._reserve(change))
            return self._swap(change, missed)
        except (redis.RedisError, OSError, ValueError, TypeError) as error:
            # The last two are what redis says of an option in the URL that it does not know.
            self.close()
            raise StoreTrouble(f"{describe_url(self._url)} can't be used ({self._hide(error)}).") from None

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    def after_fork(self) -> None:
        """Forget the connection; see ``Store``."""
        _parents.append(self._client)
        self._client = None

    def _reserve(self, change: Reserve) -> tuple[Reservation, Ledger, int]:
        rules, priority = change.rules, change.priority
        numbers = {
            "cap": rules.cap(priority),
            "catch_up": CATCH_UP * rules.spacing,
            "free": rules.free,
            "grace": rules.grace,
            "linger": rules.linger,
            "most": MAX_WAITERS,
            "patience": rules.patience,
            "rare": rules.sell_cap // 2,
            "spacing": rules.spacing,
            "span": rules.span,
        }
        wait, reason, ticket, remaining, ledger, now = self._run(
            "reserve",
            msgspec.json.encode(numbers),
            str(priority),
            change.ticket or "",
            "" if self._clock is None else _milliseconds(self._clock()),
        )
        answer = Reservation(
            wait / 1000, Reason[reason.decode()] if wait else None, ticket or None, remaining if not wait else 0
        )
        return answer, _decode(ledger), now

    def _swap(self, change: Change[T], missed: Ledger | None) -> tuple[T, Ledger, int]:
        until = time.monotonic() + PATIENCE
        done, held, server_now = self._run("swap", "?", "", 0)
        while True:
            now = server_now if self._clock is None else _milliseconds(self._clock())
            ledger = _decode(held)
            result = _apply(change, missed, ledger, now)
            done, held, server_now = self._run("swap", held, _encode(ledger), server_now)
            if done:
                return result, ledger, now
            if time.monotonic() > until:
                raise TimeoutError(f"other processes changed the ledger in between for {PATIENCE:.0f} s")

    def _run(self, name: str, *arguments: object) -> Any:
        if self._client is None:
            self._client = self._connect()
            self._scripts = {each: self._client.register_script(text) for each, text in SCRIPTS.items()}
        return self._scripts[name](keys=[self._key], args=[*arguments, self._EXPIRY])

    def _connect(self) -> redis.Redis:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            self._url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            # Once more at once: a connection that was idle for long may have been dropped on the way.
            retry=Retry(NoBackoff(), 1),
        )

    def _hide(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        parts = urlsplit(self._url)
        for secret in (parts.password, *(value for _, value in parse_qsl(parts.query))):
            if secret:
                text = text.replace(secret, "***").replace(unquote(secret), "***")
        return text


def make_store(url: str | None, path: Path | None, identity: str, clock: Callable[[], float] | None) -> Store:
    """Choose the store that a ``budget_url`` names; nothing is opened yet.

    :param url: the connection's ``budget_url``; without it, the file at ``path``.
    :param path: the default file; without it, this process.
    :param identity: names the ledger in the store.
    :param clock: replaces the store's own clock.
    :return: the store.
    :raises ConfigurationError: the URL cannot be used.
    """
    if not url:
        return SqliteStore(path, identity, clock or time.time) if path else MemoryStore(clock or time.time)
    scheme, _, rest = url.partition("://")
    if scheme == "memory" and not rest:
        return MemoryStore(clock or time.time)
    if scheme == "sqlite":
        return SqliteStore(_sqlite_path(url, rest), identity, clock or time.time)
    if scheme in ("redis", "rediss", "unix") and _names_server(url):
        return RedisStore(url, identity, clock)
    raise ConfigurationError(
        f"budget_url {describe_url(url)} cannot be used. Expected redis://[:PASSWORD@]HOST[:PORT][/DATABASE], "
        f"rediss:// likewise, unix:///SOCKET, sqlite:////ABSOLUTE/PATH or memory:// (schemes: {_SCHEMES})."
    )


def describe_url(url: str) -> str:
    """Return a URL for a message: without user, password and query.

    :param url: a ``budget_url``.
    :return: scheme, host, port and path.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(not a URL)"
    if not parts.scheme or "://" not in url:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _sqlite_path(url: str, rest: str) -> Path:
    if not rest.startswith("//") or len(rest) < 3 or rest.endswith("/"):
        raise ConfigurationError(
            f"budget_url {describe_url(url)} needs the absolute path of a file, with four slashes: "
            "sqlite:////var/lib/airflow/budget.sqlite. A relative one would mean another file in every process."
        )
    return Path(unquote(rest[1:]))


def _names_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return len(parts.path) > 1
        database = parts.path.strip("/")
        return bool(parts.hostname) and parts.port != 0 and (not database or database.isdigit())
    except ValueError:
        return False


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    _when_free(connection, "BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _when_free(connection: sqlite3.Connection, statement: str) -> None:
    """Execute, and keep asking while another process writes; SQLite's own way of waiting sleeps longer."""
    import sqlite3

    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311
        else:
            return


def _apply(change: Change[T], missed: Ledger | None, ledger: Ledger, now: int) -> T:
    if missed is not None:
        ledger.absorb(missed)
    return change(ledger, now)


def _decode(data: bytes | None) -> Ledger:
    """Read a ledger; one that cannot be read is worth as much as none."""
    if not data:
        return Ledger()
    try:
        return msgspec.json.decode(data, type=Ledger)
    except msgspec.DecodeError:
        return Ledger()


def _encode(ledger: Ledger) -> bytes:
    return msgspec.json.encode(ledger)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
