"""A task hands on what the hook returns; the next one, a process of its own that imports nothing of ours, uses it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, max_active_runs=64)
def hook_results():
    @task
    def read() -> dict[str, Any]:
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

        conf = get_current_context()["dag_run"].conf
        hook = ThreeCommasHook(conf["conn_id"])
        shares = hook.run("POST", f"/ver1/accounts/{conf['account_id']}/pie_chart_data")
        results = {"rows": hook.get_balances(conf["account_id"]), "shares": shares}
        return {**results, "written": {name: [str(one) for one in found] for name, found in results.items()}}

    # The name by which the tests know what a run is about.
    @task(task_id="liquidate")
    def use(found: dict[str, Any]) -> dict[str, Any]:
        written = {name: [str(one) for one in found[name]] for name in ("rows", "shares")}
        total = sum(row.btc_value for row in found["rows"])
        return {
            "as written": written == found["written"],
            "kinds": sorted({type(row).__name__ for row in found["rows"]}),
            "numbers": sorted({type(row.position).__name__ for row in found["rows"]}),
            "shares": sorted({type(share["amount"]).__name__ for share in found["shares"]}),
            "total": str(total),
        }

    use(read())


hook_results()
