"""Rows and numbers that tasks hand on through Airflow's XComs as what they are, to the last digit.

Airflow asks a value for ``serialize``, and its class for ``deserialize`` and ``__version__``, if the class is among
those that it is allowed to build; ``plugins/hook_results.py`` names them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Self

import msgspec

_VERSION = 1


class ExactDecimal(Decimal):
    """A ``Decimal`` that keeps every digit on its way to another task; of a plain one, Airflow makes a float."""

    __slots__ = ()
    __version__: ClassVar[int] = _VERSION

    def serialize(self) -> str:
        """Return all digits, for Airflow."""
        return str(self)

    @classmethod
    def deserialize(cls, data: str, version: int) -> Self:
        """Return the number, for Airflow."""
        _check_version(cls, version)
        return cls(data)


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base class of rows of a reply: text, and amounts in ``Decimal``."""

    __version__: ClassVar[int] = _VERSION

    def serialize(self) -> dict[str, Any]:
        """Return the fields, amounts as text, for Airflow."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    @classmethod
    def deserialize(cls, data: dict[str, Any], version: int) -> Self:
        """Return the row, for Airflow."""
        _check_version(cls, version)
        return msgspec.convert(data, cls)


def _check_version(kind: Any, version: int) -> None:
    if version > kind.__version__:
        raise TypeError(
            f"A newer version of airflow-provider-3commas has handed on this {kind.__name__} than the one that is to "
            "read it: use the same version on all machines."
        )
