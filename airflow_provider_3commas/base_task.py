"""What the operators and the sensor have in common; imported at every parse of a DAG file, so it imports nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class PatientTask:
    """Mixin for Airflow's operators: retry no earlier than 3Commas allows, and nothing that no retry can cure."""

    def _use_default_retry_policy(self) -> None:
        # Not a class attribute: Airflow's base class sets that back to None.
        if getattr(self, "retry_policy", None) is None:
            from airflow_provider_3commas.retry_policy import default_retry_policy

            self.retry_policy = default_retry_policy()

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """Turn errors that no retry can cure into Airflow's, which ends the task at once."""
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_3commas.api.errors import ThreeCommasError

        try:
            yield
        except ThreeCommasError as error:
            if error.permanent:
                raise AirflowFailException(str(error)) from error
            raise


class MappedTextIsData:
    """Mixin for Airflow's operators: render nothing that another task has handed over in a list to be mapped.

    Airflow renders the texts of such a list (``expand_kwargs``) as templates, so that whoever may name an account in
    3Commas could write one.
    """

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Any, jinja_env: Any, seen_oids: Any
    ) -> None:
        if parent is self:
            handed_over = _handed_over(context, self.task_id)
            template_fields = [name for name in template_fields if name not in handed_over]
        super()._do_render_template_fields(  # type: ignore[misc]  # of Airflow's operators
            parent, template_fields, context, jinja_env, seen_oids
        )


class BaseTask(MappedTextIsData, PatientTask):
    """Mixin for what liquidates, or waits for that: fail loudly, also in a teardown."""

    def as_teardown(self, *, setups: Any = None, on_failure_fail_dagrun: bool | None = None) -> Any:
        """Make this task a teardown; see Airflow's own.

        :param setups: tasks that set up what this one tears down.
        :param on_failure_fail_dagrun: has to be ``True``.
        :return: this task.
        :raises ValueError: it is not.
        """
        if on_failure_fail_dagrun is not True:
            raise ValueError(
                "A liquidation that failed in a teardown would end the DAG run in success. Use "
                "as_teardown(on_failure_fail_dagrun=True), or an ordinary task."
            )
        return super().as_teardown(  # type: ignore[misc]  # of Airflow's operators
            setups=setups, on_failure_fail_dagrun=on_failure_fail_dagrun
        )

    #: Values of parameters that need no check when the DAG is parsed; made by ``unchecked``.
    _DEFAULTS: ClassVar[dict[str, Any]]

    def _needs_check(self) -> bool:
        """Return whether a parameter has to be checked when the DAG is parsed: defaults and templates do not."""
        return any(_is_to_be_checked(getattr(self, name), default) for name, default in self._DEFAULTS.items())


def _handed_over(context: Any, task_id: str) -> frozenset[str]:
    """Return the template fields of a mapped task that are not written in the DAG file but come from another task."""
    map_index = getattr(context.get("ti"), "map_index", -1)
    if map_index is None or map_index < 0:
        return frozenset()
    task = context["dag"].task_dict[task_id]
    expand_input = getattr(task, "expand_input", None)
    if expand_input is None:
        return frozenset()
    value = expand_input.value
    written = value[map_index] if isinstance(value, (list, tuple)) else value
    # A dict of lists is fine: there, Airflow tells what it has resolved from what is written.
    if isinstance(written, dict):
        return frozenset()
    return frozenset(task.template_fields) - frozenset(task.partial_kwargs)


def silent_teardown(task: Any) -> str | None:
    """Return why a task's failure would go unnoticed, however it was made a teardown; ``None`` if it would not."""
    if not task.is_teardown or task.on_failure_fail_dagrun:
        return None
    return (
        "This task is a teardown whose failure does not fail the DAG run: a liquidation that failed would go "
        "unnoticed. Nothing was sent. Use as_teardown(on_failure_fail_dagrun=True), or an ordinary task."
    )


def unchecked(init: Any, *others: str, **more: Any) -> dict[str, Any]:
    """Return an ``__init__``'s defaults but for ``others``, and ``more``; account ids always need a check."""
    defaults = {name: default for name, default in init.__kwdefaults__.items() if name not in others}
    return {**defaults, **more, "account_id": ...}


def _is_to_be_checked(value: Any, default: Any) -> bool:
    if isinstance(value, str) and "{{" in value:
        return False
    # With the type: to a reader, True is not 1.
    return type(value) is not type(default) or value != default
