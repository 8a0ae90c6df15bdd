"""Kill or stop a task's process at a named point, from outside the package.

``dag_run.conf["injections"]`` says by number of the try what to do: ``point`` (one of those below), and ``do``:
``kill task``, ``kill supervisor`` (the task goes on as an orphan) or ``wait`` (until the test lets it go on). What
happens is reported to the test in a file of JSON lines.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

FOLDER = Path(os.environ["TEST_SIGNALS"])


class Injection:
    """Do what is to be done when a try reaches its point, and report how far it comes."""

    def __init__(self, name: str, try_number: int, point: str | None, do: str | None) -> None:
        self._name = name
        self._try_number = try_number
        self._supervisor = os.getppid()
        self._point = point
        self._do = do

    def report_event(self, event: str, **facts: Any) -> None:
        reported = {"event": event, "try": self._try_number, "pid": os.getpid(), "time": time.time(), **facts}
        with (FOLDER / f"{self._name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(reported) + "\n")

    def start(self) -> None:
        title = " ".join(psutil.Process(self._supervisor).cmdline())
        if sys.platform == "linux" and "LocalExecutor" not in title:
            raise RuntimeError(f"not a worker's supervisor: {title}")
        self.report_event("started", supervisor=self._supervisor)

    def reach(self, point: str) -> None:
        if point != self._point:
            return
        self._point = None
        self.report_event("reached", point=point)
        if self._do == "kill task":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._do == "kill supervisor":
            os.kill(self._supervisor, signal.SIGKILL)
            while os.getppid() == self._supervisor:
                time.sleep(0.01)
            self.report_event("orphaned")
        elif self._do == "wait":
            while not (FOLDER / f"{self._name}.{self._try_number}.go").exists():
                time.sleep(0.05)
            self.report_event("going on")


class Store:
    """Airflow's task state store, with points before and after each write."""

    def __init__(self, store: Any, injection: Injection) -> None:
        self._store = store
        self._injection = injection

    def get(self, key: str, default: Any = None) -> Any:
        return self._store.get(key, default=default)

    def set(self, key: str, value: Any, **options: Any) -> None:
        point = value["phase"] if value["phase"] in ("begun", "intent") else "outcome"
        self._injection.reach(f"before {point}")
        self._store.set(key, value, **options)
        self._injection.reach(f"after {point}")


class KilledSellAllToBtcOperator(SellAllToBtcOperator):
    """The operator, with points at which its process is killed."""

    def execute(self, context: Any) -> Any:
        try_number = context["ti"].try_number
        orders = context["dag_run"].conf["injections"].get(str(try_number), {})
        injection = Injection(context["run_id"], try_number, orders.get("point"), orders.get("do"))
        injection.start()
        context["task_state_store"] = Store(context["task_state_store"], injection)
        transport = self.hook.get_conn().transport
        sign = transport._sign

        def reached_signing(request: Any) -> None:
            if "/sell_all_to_" in request.url:
                injection.reach("before sending")
            sign(request)

        transport._sign = reached_signing
        try:
            result = super().execute(context)
        except BaseException as error:
            injection.report_event("ended", error=f"{type(error).__name__}: {error}")
            raise
        injection.report_event("ended", error=None)
        injection.reach("before return")
        return result
