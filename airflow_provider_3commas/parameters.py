"""Values that come out of templates as text."""

from __future__ import annotations

from airflow_provider_3commas.api.errors import ConfigurationError


def parse_bool(value: object, name: str) -> bool:
    """Return a switch, which a template renders to text.

    :param value: a ``bool``, or ``"true"`` or ``"false"`` in any case.
    :param name: the parameter's name, for the message.
    :return: the switch.
    :raises ConfigurationError: it is neither; an empty text is not taken for ``False``.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ConfigurationError(
        f"{name} must be True or False (or a template that renders to that), got {value!r}. Nothing was sent."
    )
