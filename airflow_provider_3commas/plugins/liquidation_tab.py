"""The tab *Liquidation* on DAG runs and task instances.

The tab is a static page. All it shows it reads through Airflow's own REST API, with the viewer's session, so Airflow's
permissions decide; a route of this plugin, which knows nothing but what the page sends it, turns that into words. Every
Airflow process imports this module, so it imports nothing but Airflow's plugin class; only an API server that serves
the page needs more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "threecommas"
_PAGE = f"{PREFIX}/liquidation.html?dag_id={{DAG_ID}}&run_id={{RUN_ID}}"


class LiquidationPages:
    """The page's application, built at the first request."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if self._app is None:
            from airflow_provider_3commas.plugins.pages import build_pages

            self._app = build_pages()
        await self._app(scope, receive, send)


class ThreeCommasPlugin(AirflowPlugin):
    """Adds the tab to Airflow, and lets tasks hand on what the hook returns."""

    name = "threecommas"
    fastapi_apps: list[Any] = [  # noqa: RUF012  # Airflow's own attribute
        {"app": LiquidationPages(), "url_prefix": f"/{PREFIX}", "name": "3Commas liquidation"}
    ]
    # Addresses are relative to Airflow's own, which may be below a prefix.
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Liquidation",
            "href": _PAGE,
            "destination": "dag_run",
            "url_route": "threecommas-liquidation",
            "category": "3commas",
        },
        {
            "name": "Liquidation",
            "href": f"{_PAGE}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}",
            "destination": "task_instance",
            "url_route": "threecommas-liquidation-task",
            "category": "3commas",
        },
    ]

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Let the hook's results through XComs; Airflow calls this in every process, before a task reads any.

        :param args: none yet.
        :param kwargs: none yet.
        """
        from airflow_provider_3commas.plugins.hook_results import allow_hook_results

        allow_hook_results()
