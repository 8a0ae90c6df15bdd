"""``make ui`` as a process: it invites, listens on loopback only, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from local_airflow.errors import LocalAirflowError
from local_airflow.ports import free_port
from local_airflow.standalone import StandaloneAirflow
from local_airflow.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = ("127.0.0.1", "::1")


class MakeUi:
    """The program that ``make ui`` runs, and everything that it starts."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.output = folder, folder.parent / "output"
        self._sessions: set[int] = set()
        self._children: set[psutil.Process] = set()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo.ui", "--folder", str(folder), "--port", str(port)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def printed(self) -> str:
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        """Return everything that it has started and that still runs: its children, and all in their sessions."""
        if self.process.poll() is None:
            self._children |= set(psutil.Process(self.process.pid).children())
            self._sessions |= {child.pid for child in self._children if _session(child.pid) == child.pid}
        return [
            process
            for process in psutil.process_iter()
            if (process in self._children or _session(process.pid) in self._sessions) and _runs(process)
        ]

    def wait_until_gone(self) -> None:
        self.process.wait(60)
        wait_for("the end", lambda: not self.family() and not any(self.folder.glob("*")), 60, self.printed)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def make_ui(tmp_path: Path) -> Iterator[MakeUi]:
    made = MakeUi(tmp_path / "ui", free_port())
    yield made
    made.family()
    made.process.kill()
    made.wait_until_gone()


def test_ctrl_c_ends_all_of_it(make_ui: MakeUi) -> None:
    wait_for("the invitation", lambda: "Ctrl-C ends it." in make_ui.printed(), 240, make_ui.printed)
    text = make_ui.printed()
    assert re.search(r"^Airflow: +http://127\.0\.0\.1:\d+$", text, re.MULTILINE)
    assert re.search(r"user admin, password \S+", text)
    for word in ("risk_off_liquidation", "risk_off_fleet", "32402783", "Liquidation", "Test", "threecommas_default"):
        assert word in text
    listening = [
        connection.laddr
        for process in make_ui.family()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    # Airflow and the simulator.
    assert len({address.port for address in listening}) == 2
    assert {address.ip for address in listening} <= set(LOOPBACK)

    make_ui.process.send_signal(signal.SIGINT)
    make_ui.wait_until_gone()

    assert make_ui.process.returncode == 0
    assert "Nothing is left running." in make_ui.printed()
    assert not make_ui.folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_other_signals_do_too(make_ui: MakeUi, number: signal.Signals) -> None:
    # Some of Airflow runs by then.
    wait_for("Airflow", lambda: len(make_ui.family()) >= 5, 120, make_ui.printed)

    make_ui.process.send_signal(number)
    make_ui.wait_until_gone()

    assert (make_ui.process.returncode == 0) is (number != signal.SIGKILL)


def test_port_that_is_taken_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = MakeUi(tmp_path / "ui", port)
        wait_for("a word", lambda: "Starting Airflow" in made.printed(), 60, made.printed)
        made.process.terminate()
        made.wait_until_gone()

    assert re.search(rf"Port {port} is taken: Airflow gets \d+\.", made.printed())


def test_airflow_that_ends_by_itself_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    broken = {"DATABASE__SQL_ALCHEMY_CONN": "nonsense://"}
    with (
        StandaloneAirflow(tmp_path / "home", settings=broken) as airflow,
        pytest.raises(LocalAirflowError, match="Airflow has ended"),
    ):
        airflow.wait_for("Godot", lambda: False, seconds=60)
