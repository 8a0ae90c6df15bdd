"""The operator that sends one request to the 3Commas API, for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_3commas.base_task import MappedTextIsData, PatientTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class ThreeCommasOperator(MappedTextIsData, PatientTask, BaseOperator):
    """Send one request to the 3Commas API, and return its JSON.

    Any call below ``/public/api`` but a sell-all: what ``ThreeCommasHook.run`` sends. It is signed, counted in the
    request budget and waits for it; by default it only reads. Returns the reply with credentials replaced by ``***``
    and fractional numbers as decimal strings, with every digit.

    :param endpoint: the path, such as ``/ver1/bots`` or ``/v2/smart_trades``.
    :param method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
    :param query: parameters by name, as the ``params`` of ``ThreeCommasHook.run``. (In Airflow, ``params`` are the
        DAG's.)
    :param writes: whether the request may change something: ``True`` or ``False``, not a text. With ``True``, the task
        can't have ``retries``: nothing remembers what a try has sent.
    :param threecommas_conn_id: id of the connection.
    """

    template_fields: Sequence[str] = ("endpoint", "method", "query", "threecommas_conn_id")
    template_fields_renderers = {"query": "json"}  # noqa: RUF012  # Airflow's own attribute
    ui_color = "#dbe7f5"
    ui_fgcolor = "#12304f"

    def __init__(
        self,
        *,
        endpoint: str,
        method: str = "GET",
        query: Mapping[str, Any] | None = None,
        writes: bool = False,
        threecommas_conn_id: str = "threecommas_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.method = method
        self.query = query
        self.writes = writes
        self.threecommas_conn_id = threecommas_conn_id
        from airflow_provider_3commas.operators.request_checks import check_literals

        check_literals(self._request_parameters())
        self._use_default_retry_policy()

    def execute(self, context: Context) -> Any:
        """Send the request.

        :param context: Airflow's context.
        :return: the reply in JSON types; ``None`` if it has no content.
        :raises AirflowFailException: retrying cannot succeed; the cause is the provider's error.
        :raises ThreeCommasError: see ``airflow_provider_3commas.api.errors``.
        """
        from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
        from airflow_provider_3commas.money import jsonable
        from airflow_provider_3commas.operators.request_checks import check_rendered

        with self._failing_for_good():
            check_rendered(self._request_parameters())
            hook = ThreeCommasHook(self.threecommas_conn_id)
            return jsonable(hook.run(self.method, self.endpoint, self.query, writes=self.writes))

    def _request_parameters(self) -> dict[str, Any]:
        names = ("endpoint", "method", "query", "writes", "retries")
        return {name: getattr(self, name) for name in names}
