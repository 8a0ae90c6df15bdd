"""The operator that reports what a liquidation did."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_3commas.base_task import MappedTextIsData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

_FORMATS = {"html": "html", "htm": "html", "md": "md", "markdown": "md", "json": "json"}


class LiquidationReportOperator(MappedTextIsData, BaseOperator):
    """Report what a liquidation did: holdings before and after, what is left and why, slippage, time, requests.

    Reads the XComs of the sell-all task and of the sensor, sends nothing to 3Commas, and returns the report as a dict
    in JSON types, money as decimal text. With a ``path`` it also writes the report there, as a self-contained HTML
    page, as Markdown or as JSON. Where something is missing (a dry run, no baseline, an account that has not settled),
    the report says so.

    Within a mapped task group it reports on the account of its own map index; after mapped tasks, on all of their
    accounts together, those that failed among them.

    With the default trigger rule there is no report when the sensor fails. ``trigger_rule="all_done"`` reports in any
    case; mind that a DAG run is then judged by its other leaves.

    :param liquidation: the sell-all task: itself, its ``.output``, or its task id. Given as a task or output, it
        becomes upstream of this one.
    :param settlement: the sensor, in the same ways; ``None`` if there is none.
    :param path: where to write to: a local path, or whatever Airflow's object storage can write to, such as
        ``s3://conn@bucket/{{ dag.dag_id }}/{{ run_id }}.html``; ``None`` to write nothing. What is there is replaced,
        but no link followed. A local file and the directories that are made for it can be read by their owner alone.
    :param fmt: ``html``, ``md`` or ``json``; by default what the path ends in.
    :param conn_id: the object storage's connection, if it is not in the path.
    """

    template_fields: Sequence[str] = ("liquidation", "settlement", "path", "fmt", "conn_id")
    ui_color = "#dbe7f5"
    ui_fgcolor = "#12304f"

    def __init__(
        self,
        *,
        liquidation: Any,
        settlement: Any = None,
        path: str | None = None,
        fmt: str | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        sale_task, wait_task = _task_of(liquidation), _task_of(settlement)
        self.liquidation = liquidation if sale_task is None else sale_task.task_id
        self.settlement = settlement if wait_task is None else wait_task.task_id
        self.path = path
        self._path_as_written = path
        self.fmt = fmt
        self.conn_id = conn_id
        if path is not None and not any("{{" in text or "{%" in text for text in (path, fmt or "")):
            _known_format(path, fmt)
        if self.has_dag():  # type: ignore[no-untyped-call]
            for task in (sale_task, wait_task):
                if task is not None:
                    self.set_upstream(task)

    def execute(self, context: Context) -> dict[str, Any]:
        """Build the report and write it.

        :param context: Airflow's context.
        :return: the report; of several accounts, with their totals.
        :raises ValueError: the format is unknown, a task id is none of this DAG run's, a value that was rendered
            climbs out of the directory with ``..``, or the path is a symbolic link.
        """
        from airflow_provider_3commas.report import build_fleet_report

        fmt = None if self.path is None else _known_format(self.path, self.fmt)
        if self.path is not None:
            _refuse_climbing(self._path_as_written, self.path)
        ti = context["ti"]
        states = self._task_states(ti)
        sale_states = states[self.liquidation]
        map_index = -1 if ti.map_index is None else ti.map_index
        if map_index in sale_states or set(sale_states) == {-1}:
            report = self._report(ti, states, map_index)
        else:
            report = build_fleet_report(self._report(ti, states, index) for index in sorted(sale_states))
        self.log.info("%s", _headline(report))
        if self.path is not None and fmt is not None:
            self._write(ti, self.path, _render(report, fmt))
        return report

    def _task_states(self, ti: Any) -> dict[str, dict[int, str]]:
        """Return the states of the two tasks, by map index."""
        task_ids = [task_id for task_id in (self.liquidation, self.settlement) if task_id]
        if not all(isinstance(task_id, str) for task_id in task_ids):
            raise ValueError(
                "liquidation and settlement have to be tasks, their .output, or task ids; in expand(), task ids only."
            )
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=task_ids, run_ids=[ti.run_id]).get(ti.run_id, {})
        states: dict[str, dict[int, str]] = {}
        for task_id in task_ids:
            states[task_id] = {
                -1 if key == task_id else int(key.removeprefix(f"{task_id}_")): str(state or "none")
                for key, state in found.items()
                if key == task_id or (key.startswith(f"{task_id}_") and key.removeprefix(f"{task_id}_").isdecimal())
            }
            if not states[task_id]:
                raise ValueError(
                    f"This DAG run has no task {task_id!r}. A task in a group bears the group's id too, as in "
                    "take_to_safety.liquidate."
                )
        return states

    def _report(self, ti: Any, states: dict[str, dict[int, str]], index: int) -> dict[str, Any]:
        """Return the report on one account; ``index`` is its map index."""
        from airflow_provider_3commas.report import build_report
        from airflow_provider_3commas.xcom_keys import FACTS_KEY, HISTORY_KEY, HOLDINGS_KEY, OUTCOME_KEY

        def pull(task_id: str, key: str = "return_value") -> Any:
            map_index = index if index in states[task_id] else -1
            return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)

        def state(task_id: str) -> str | None:
            return states[task_id].get(index, states[task_id].get(-1))

        settlement = self.settlement or None
        return build_report(
            account=pull(self.liquidation),
            holdings_before=pull(self.liquidation, HOLDINGS_KEY),
            liquidation=pull(self.liquidation, OUTCOME_KEY),
            settlement=pull(settlement) if settlement else None,
            history=pull(settlement, HISTORY_KEY) if settlement else None,
            facts=pull(settlement, FACTS_KEY) if settlement else None,
            liquidation_state=state(self.liquidation),
            settlement_state=state(settlement) if settlement else None,
        )

    def _write(self, ti: Any, path: str, text: str) -> None:
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_3commas import private_files
        from airflow_provider_3commas.xcom_keys import REPORT_PATH_KEY

        target = ObjectStoragePath(path, conn_id=self.conn_id)
        if target.protocol in ("", "file", "local"):
            file = Path(target.path)
            private_files.make_directory(file.parent)
            private_files.replace(file, text.encode())
        else:
            target.write_bytes(text.encode())
        self.log.info("Written to %s.", target)
        ti.xcom_push(REPORT_PATH_KEY, str(target))


def _task_of(source: Any) -> Any:
    """Return the task of an operator or an ``.output``; ``None`` for a task id."""
    task = getattr(source, "operator", source)
    return task if hasattr(task, "task_id") else None


def _known_format(path: str, fmt: str | None) -> str:
    name = fmt or path.rpartition("/")[2].rpartition(".")[2]
    known = _FORMATS.get(name.lower())
    if known is None:
        raise ValueError(f"fmt must be html, md or json, or the path end in one of them; got {name!r} of {path!r}.")
    return known


def _refuse_climbing(written: Any, path: str) -> None:
    """Raise for a ``..`` that is not the author's: who triggers a run chooses its id, and Airflow allows this one."""
    literal = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", written, flags=re.DOTALL) if isinstance(written, str) else ""
    literal = re.sub(r"\{\{.*?\}\}", "x", literal, flags=re.DOTALL)
    if path.split("/").count("..") > literal.split("/").count(".."):
        raise ValueError(
            f"path is {path!r}: a '..' in it came from a template, and would lead out of the directory that the DAG "
            "names. Give the run another id, or render another value."
        )


def _render(report: dict[str, Any], fmt: str) -> str:
    import json

    from airflow_provider_3commas.report import render_html, render_markdown

    if fmt == "json":
        return json.dumps(report, indent=2) + "\n"
    return render_html(report) if fmt == "html" else render_markdown(report)


def _headline(report: dict[str, Any]) -> str:
    if report["kind"] == "account":
        return str(report["headline"])
    return f"{report['totals']['settled']} of {report['totals']['accounts']} accounts have settled."
