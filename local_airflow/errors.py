"""What goes wrong with a local Airflow."""

from __future__ import annotations


class LocalAirflowError(RuntimeError):
    """Airflow has ended, has refused a request, or is not where it should be in time."""


class RestApiError(LocalAirflowError):
    """Airflow has refused a request.

    :param request: its method and path.
    :param status: the reply's HTTP status.
    :param text: the reply's text.
    """

    def __init__(self, request: str, status: int, text: str) -> None:
        super().__init__(f"{request}: {status} {text}")
        self.status = status
