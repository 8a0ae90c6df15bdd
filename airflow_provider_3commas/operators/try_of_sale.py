"""From Airflow to a liquidation: parameters and context in, XComs and asset events out.

Kept apart from the operators so that DAG files that name them do not pay for it at every parse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.errors import LiquidationRefused, ThreeCommasError
from airflow_provider_3commas.assets.account import emit_account_event
from airflow_provider_3commas.base_task import silent_teardown
from airflow_provider_3commas.liquidation.guards import Run
from airflow_provider_3commas.liquidation.journal import Journal, Phase
from airflow_provider_3commas.liquidation.liquidator import JOURNAL_KEY, Liquidator
from airflow_provider_3commas.liquidation.outcome import outcome_facts
from airflow_provider_3commas.liquidation.sale import Environment
from airflow_provider_3commas.operators.sale_checks import account_id_or_none, read_sale
from airflow_provider_3commas.xcom_keys import OUTCOME_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_3commas.budget import Claims
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook


class _SellAllTask(Protocol):
    """What is asked of the operator, whose templates are rendered."""

    is_teardown: bool
    outlets: list[Any]
    liquidator: Liquidator | None

    @property
    def log(self) -> Any: ...

    @property
    def hook(self) -> ThreeCommasHook: ...

    def claims(self) -> Claims: ...

    def sale_parameters(self) -> dict[str, Any]: ...


class TryOfSale:
    """One try of a sell-all task whose templates are rendered."""

    def __init__(self, operator: _SellAllTask, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._ti = context["ti"]
        self._outcome: dict[str, Any] = {}
        store = context.get("task_state_store")
        self._store = None if store is None else _TaskStateStore(store)

    def run(self) -> dict[str, Any]:
        """Liquidate the account, or find out what an earlier try has done; return the Account, in JSON types."""
        liquidator = self._prepare()
        account = liquidator.run()
        self._emit_event()
        return account

    def _prepare(self) -> Liquidator:
        """Check every parameter, and what the connection says, before anything is sent."""
        operator = self._operator
        try:
            problem = silent_teardown(operator)
            if problem:
                raise LiquidationRefused(problem)
            sale = read_sale(operator.sale_parameters())
            environment = Environment(
                client=operator.hook.get_conn_for_selling(),
                store=self._store,
                claims=operator.claims(),
                task_state=self._task_state,
                log=operator.log,
                push_xcom=self._push_xcom,
            )
            operator.liquidator = Liquidator(sale, self._read_run(), environment)
        except ThreeCommasError as error:
            self._push_refusal(error)
            raise
        return operator.liquidator

    def _read_run(self) -> Run:
        ti, dag_run = self._ti, self._context["dag_run"]
        mapped = ti.map_index is not None and ti.map_index >= 0
        index = f"[{ti.map_index}]" if mapped else ""
        return Run(
            task=f"{ti.dag_id}/{ti.run_id}/{ti.task_id}{index}",
            try_number=ti.try_number,
            mapped=mapped,
            clear_number=getattr(dag_run, "clear_number", 0) or 0,
            run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
            run_after=dag_run.run_after,
        )

    def _task_state(self) -> str:
        """Ask Airflow for the state of this very task instance."""
        ti = self._ti
        index = -1 if ti.map_index is None else ti.map_index
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=index)
        found = list(states.get(ti.run_id, {}).values())
        if len(found) != 1:
            return f"not known ({len(found)} task instances found)"
        return str(getattr(found[0], "value", found[0]))

    def _push_xcom(self, key: str, value: Any) -> None:
        if key == OUTCOME_KEY:
            self._outcome = value
        self._ti.xcom_push(key, value)

    def _push_refusal(self, error: ThreeCommasError) -> None:
        """Push and record that this try ended before it could begin: a later one may then go on."""
        operator = self._operator
        written = operator.sale_parameters()
        account_id = account_id_or_none(written["account_id"])
        facts = outcome_facts("refused", account_id=account_id, target=written["target"], error=error)
        try:
            if self._task_state() != "running":
                return
            if self._store is not None and self._store.get(JOURNAL_KEY, default=None) is None:
                self._store.set(JOURNAL_KEY, Journal(None, Phase.BEGUN, clock.iso()).as_json())
            self._push_xcom(OUTCOME_KEY, facts)
        except Exception:
            operator.log.exception("What became of the liquidation (refused) could not be handed on.")

    def _emit_event(self) -> None:
        """Emit an event for the assets among the outlets if this try has sold: a recorded sale has had its event."""
        facts = self._outcome
        if facts["outcome"] in ("accepted", "reconciled") and self._operator.outlets:
            event = {**facts, "dag_id": self._ti.dag_id, "run_id": self._ti.run_id}
            emit_account_event(self._context, self._operator.outlets, facts["account_id"], event)


class _TaskStateStore:
    """Airflow's task state store, with values that never expire."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str, default: Any = None) -> Any:
        return self._store.get(key, default=default)

    def set(self, key: str, value: Any) -> None:
        # Airflow has this if it has the store; its type stub has not.
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]

        self._store.set(key, value, retention=NEVER_EXPIRE)
