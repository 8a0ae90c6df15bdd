"""Where the ledger is kept: a SQLite file for the processes of one machine, or this process; Redis is beside it.

Beside the ledger, a store keeps a text for each account: who is liquidating it.

A store applies a function to either as one step that no other process can get between: SQLite in a ``BEGIN
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
import os
import random
import threading
import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from airflow_provider_3commas import private_files
from airflow_provider_3commas.budget.ledger import Ledger, decode_ledger
from airflow_provider_3commas.budget.limits import MAX_STORED_BYTES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
Change: TypeAlias = "Callable[[Ledger, int], T]"
#: Gets the bytes that are kept, none at first, and the store's time in milliseconds; returns what to keep instead.
Swap: TypeAlias = "Callable[[bytes, int], tuple[T, bytes]]"

#: Longest that a store may keep its caller before it counts as trouble, in seconds.
STORE_TIMEOUT = 2.0
#: Seconds between two attempts to use a store that failed.
RETRY_STORE_AFTER = 60.0

#: What every ``MemoryStore`` of this process keeps beside its ledger.
_texts: dict[str, bytes] = {}
_texts_lock = threading.Lock()

#: Held while a file is made: to close a descriptor of it takes all locks that this process has on it.
_making_file = threading.Lock()

#: Connections of a parent process, kept from being closed when they would be collected.
INHERITED_CONNECTIONS: list[object] = []


class StoreUnavailable(Exception):
    """The store can't be used at the moment; the message says which and why, and holds no password."""


class Reach(StrEnum):
    """Who shares a store; the value is the end of a sentence."""

    MACHINES = "all machines that use the same Redis server"
    MACHINE = "this machine"
    PROCESS = "this process"


class Store(Protocol):
    """One ledger, and texts beside it, that can be changed atomically."""

    @property
    def reach(self) -> Reach:
        """Who shares this store."""

    def update(self, change: Change[T], pending: Ledger | None = None) -> tuple[T, Ledger, int]:
        """Change the ledger atomically; return what the change returned, the new ledger and the store's time.

        ``change`` gets the ledger and the store's time in milliseconds, and may be called more than once. ``pending``
        is what was counted while the store was out of reach, to be added first. ``StoreUnavailable`` means that nothing
        was changed, or that it is not known.
        """

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]:
        """Change one of the ledger's texts atomically; return the result and the store's time.

        ``change`` may be called more than once. ``StoreUnavailable`` means that nothing was changed, or that it is not
        known.
        """

    def close(self) -> None:
        """Close files and connections."""

    def after_fork(self) -> None:
        """In a child process: drop the parent's connection without closing it."""


class MemoryStore:
    """The ledger in this object, and the texts in this process."""

    reach = Reach.PROCESS

    def __init__(self, identity: str, clock: Callable[[], float], ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self._identity = identity
        self._clock = clock
        self._lock = threading.Lock()

    def update(self, change: Change[T], pending: Ledger | None = None) -> tuple[T, Ledger, int]:
        """See ``Store``."""
        with self._lock:
            now = milliseconds(self._clock())
            return _apply(change, pending, self.ledger, now), self.ledger, now

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]:
        """See ``Store``."""
        key = f"{self._identity}:{name}"
        with _texts_lock:
            now = milliseconds(self._clock())
            result, _texts[key] = change(_texts.get(key, b""), now)
        return result, now

    def close(self) -> None:
        """Nothing to close."""

    def after_fork(self) -> None:
        """Replace a lock that a thread of the parent may hold for ever."""
        self._lock = threading.Lock()


class _Table(NamedTuple):
    """The statement that makes a table, as SQLite keeps it, and those that read and write a row."""

    make: str

    read: str
    write: str


class SqliteStore:
    """The ledger as a row of a SQLite file, and each text as a row of another table.

    The caller lets one thread at a time in, and does not use an instance on both sides of a fork. File and directory
    are made if missing, for their owner alone. A link is not followed, and another program's database not changed.
    """

    reach = Reach.MACHINE
    # SQLite keeps whatever type another program has written; as bytes it can be parsed or refused.
    _LEDGERS = _Table(
        "CREATE TABLE budget (id TEXT PRIMARY KEY, ledger BLOB NOT NULL)",
        "SELECT substr(CAST(ledger AS BLOB), 1, ?) FROM budget WHERE id = ?",
        "REPLACE INTO budget VALUES (?, ?)",
    )
    _TEXTS = _Table(
        "CREATE TABLE texts (id TEXT PRIMARY KEY, text BLOB NOT NULL)",
        "SELECT substr(CAST(text AS BLOB), 1, ?) FROM texts WHERE id = ?",
        "REPLACE INTO texts VALUES (?, ?)",
    )

    def __init__(self, path: Path, identity: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._identity = identity
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def update(self, change: Change[T], pending: Ledger | None = None) -> tuple[T, Ledger, int]:
        """See ``Store``."""
        (result, ledger), now = self._swap(self._LEDGERS, self._identity, swap_of(change, pending))
        return result, ledger, now

    def swap(self, name: str, change: Swap[T]) -> tuple[T, int]:
        """See ``Store``."""
        return self._swap(self._TEXTS, f"{self._identity}:{name}", change)

    def _swap(self, table: _Table, row: str, change: Swap[T]) -> tuple[T, int]:
        try:
            connection = self._connected()
            with _transaction(connection):
                # A byte too many tells that it is too long.
                found = connection.execute(table.read, (MAX_STORED_BYTES + 1, row)).fetchone()
                old = found[0] if found else b""
                now = milliseconds(self._clock())
                result, new = change(old, now)
                if new != old:
                    connection.execute(table.write, (row, new))
        except Exception as error:  # whatever it is, a sell goes on
            self.close()
            raise StoreUnavailable(self._explain(error)) from error
        return result, now

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def after_fork(self) -> None:
        """See ``Store``."""
        INHERITED_CONNECTIONS.append(self._connection)
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        """Return the open file, opened anew if somebody removed or replaced it."""
        import sqlite3

        if self._connection is not None:
            with contextlib.suppress(OSError):
                if self._path.lstat().st_ino == self._inode:
                    return self._connection
            self.close()
        private_files.make_directory(self._path.parent)
        with _making_file:
            private_files.make_empty(self._path)
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._refuse_another_programs(connection)
            # SQLite does not wait for this one when several processes make the file at the same time.
            _execute_when_unlocked(connection, "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with _transaction(connection):
                for table in (self._LEDGERS, self._TEXTS):
                    connection.execute(table.make.replace("TABLE", "TABLE IF NOT EXISTS"))
            for end in ("", "-wal", "-shm"):
                private_files.close_to_others(self._path.with_name(self._path.name + end))
            self._inode = self._path.lstat().st_ino
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _refuse_another_programs(self, connection: sqlite3.Connection) -> None:
        """Raise ``ValueError`` for a database that holds something, but no budget, before anything in it is changed."""
        found = _execute_when_unlocked(connection, "SELECT sql FROM sqlite_master")
        if found and (self._LEDGERS.make,) not in found:
            raise ValueError("it is another program's database, and was left as it is; name another file in budget_url")

    def _explain(self, error: Exception) -> str:
        import sqlite3

        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        files = f"{self._path} and, if there, {self._path.name}-wal and -shm beside it"
        advice = f" Delete {files}, unless it is something else's." if broken else ""
        return f"the SQLite file {self._path} can't be used ({type(error).__name__}: {error}).{advice}"


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    _execute_when_unlocked(connection, "BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _execute_when_unlocked(connection: sqlite3.Connection, statement: str) -> list[tuple[object, ...]]:
    """Return a statement's rows, retrying while another process writes; SQLite's own busy handler sleeps longer."""
    import sqlite3

    until = time.monotonic() + STORE_TIMEOUT
    while True:
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311


def swap_of(change: Change[T], pending: Ledger | None) -> Swap[tuple[T, Ledger]]:
    """Turn a change of a ledger into a change of its JSON."""

    def swap(old: bytes, now: int) -> tuple[tuple[T, Ledger], bytes]:
        ledger = decode_ledger(old)
        result = _apply(change, pending, ledger, now)
        return (result, ledger), msgspec.json.encode(ledger)

    return swap


def milliseconds(seconds: float) -> int:
    """Return seconds as whole milliseconds, the unit of every time in a store."""
    return int(seconds * 1000)


def _apply(change: Change[T], pending: Ledger | None, ledger: Ledger, now: int) -> T:
    if pending is not None:
        ledger.merge(pending)
    return change(ledger, now)


def _after_fork() -> None:
    """Replace locks that a thread of the parent may hold for ever."""
    global _texts_lock, _making_file
    _texts_lock, _making_file = threading.Lock(), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
