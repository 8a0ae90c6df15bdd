"""What does a liquidation in a DAG file cost at every parse? ``python benchmarks/dag_parsing.py``.

Files are parsed as Airflow 3.3 does it: in a fork of a process that has imported Airflow and, ahead of time, the
modules of the file whose names begin with ``airflow.``: those of ``airflow.providers.http`` too, but not ours. Whatever
else a file imports is paid for again at every parse.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from measure import bar, clean_environment, column, figure, machine, table, take_turns

CORE, OURS = "core tasks: two", "a liquidation and a wait"
MORE_CORE, MIXED = "core tasks: four", "core tasks: two; a liquidation and a wait"
_CORE_IMPORTS = (
    "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    "from airflow.providers.standard.sensors.python import PythonSensor\n"
)
_OUR_IMPORTS = (
    "from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator\n"
    "from airflow_provider_3commas.sensors.balances import BalancesSettledSensor\n"
)
_HTTP_IMPORTS = (
    "from airflow.providers.http.operators.http import HttpOperator\n"
    "from airflow.providers.http.sensors.http import HttpSensor\n"
)
_CORE_TASKS = ("EmptyOperator(task_id='{}1')", "PythonSensor(task_id='{}2', python_callable=print)")
_OUR_TASKS = (
    "SellAllToBtcOperator(task_id='{}1', account_id='{{{{ var.value.risk_account }}}}')",
    "BalancesSettledSensor(task_id='{}2', account_id='{{{{ var.value.risk_account }}}}', deferrable=True)",
)
_HTTP_TASKS = (
    "HttpOperator(task_id='{}1', endpoint='x')",
    "HttpSensor(task_id='{}2', endpoint='x', deferrable=True)",
)


def _file(imports: str, *tasks: tuple[str, ...]) -> str:
    lines = [task.format(letter) for letter, pair in zip("ab", tasks, strict=False) for task in pair]
    chain = " >> ".join(lines)
    return f"from airflow.sdk import dag\n{imports}\n\n@dag(schedule=None)\ndef parsed():\n    {chain}\n\n\nparsed()\n"


FILES = {
    CORE: _file(_CORE_IMPORTS, _CORE_TASKS),
    OURS: _file(_OUR_IMPORTS, _OUR_TASKS),
    MORE_CORE: _file(_CORE_IMPORTS, _CORE_TASKS, _CORE_TASKS),
    MIXED: _file(_CORE_IMPORTS + _OUR_IMPORTS, _CORE_TASKS, _OUR_TASKS),
    "the same, had we imported an HTTP stack": _file(
        "import cryptography.hazmat.primitives.asymmetric.rsa\nimport requests\n" + _CORE_IMPORTS + _OUR_IMPORTS,
        _CORE_TASKS,
        _OUR_TASKS,
    ),
    "core tasks: two; `http` operator and sensor (imported ahead)": _file(
        _CORE_IMPORTS + _HTTP_IMPORTS, _CORE_TASKS, _HTTP_TASKS
    ),
}


class Parser:
    """Be the process from which Airflow forks a parser for one file.

    :param path: the file.
    :param home: AIRFLOW_HOME.
    """

    def __init__(self, path: Path, home: Path) -> None:
        environment = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--parent-of", str(path)],
            env=clean_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def parse(self) -> dict[str, Any]:
        """Fork once and parse.

        :return: ``ms`` of CPU, and how many ``modules`` were imported.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("no pipes to the parser")
        self._process.stdin.write("parse\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                result: dict[str, Any] = json.loads(line)
                return result
        raise SystemExit("the parser has ended")

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def be_the_parent(path: str) -> None:
    """Import what Airflow imports ahead, and fork a parser for each line of the standard input.

    :param path: the file to parse.
    """
    import gc

    import structlog
    from airflow.dag_processing import manager, processor  # noqa: F401 - forks from the manager

    gc.freeze()
    log = structlog.get_logger()
    processor._pre_import_airflow_modules(path, log)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            before, start = len(sys.modules), time.process_time()
            request = processor.DagFileParseRequest(file=path, bundle_path=Path(path).parent, bundle_name="benchmark")
            result = processor._parse_file(request, log)
            spent = (time.process_time() - start) * 1000
            if result is None or result.import_errors or len(result.serialized_dags) != 1:
                raise SystemExit(f"not parsed: {result}")
            print(json.dumps({"ms": spent, "modules": len(sys.modules) - before}), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("a parser failed")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20, help="rounds that count (default: %(default)s)")
    parser.add_argument("--parent-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parent_of:
        be_the_parent(options.parent_of)
        return
    print("## Parsing a DAG file\n")
    print(machine("apache-airflow", "apache-airflow-providers-http"))
    with tempfile.TemporaryDirectory() as folder:
        processes = {}
        for number, (name, text) in enumerate(FILES.items()):
            path = Path(folder) / f"file_{number}.py"
            path.write_text(text)
            processes[name] = Parser(path, Path(folder))
        found = take_turns({name: process.parse for name, process in processes.items()}, options.rounds)
        for process in processes.values():
            process.stop()
    spent = {name: column(results, "ms") for name, results in found.items()}
    table(
        "A file with one DAG",
        ["the file has", "ms of CPU a parse, median (min-max)", "modules imported at each"],
        [(name, f"{figure(it):.1f}", found[name][-1]["modules"]) for name, it in spent.items()],
    )
    bar(f"{OURS}, over {CORE}", median(spent[OURS]) / median(spent[CORE]), 1.1)
    bar(f"{MIXED}, over {MORE_CORE}", median(spent[MIXED]) / median(spent[MORE_CORE]), 1.1)


if __name__ == "__main__":
    main()
