"""What the records of a scenario are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

T = TypeVar("T")

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]

# The two classes of calls that a state may forbid: those that need a READ and those that need a WRITE permission.
Access = Literal["reads", "writes"]
SUBSCRIPTION_REQUIRED = "Active subscription is required"


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A record in which a misspelt field is an error, not a silent default."""


def convert(document: Any, kind: type[T], *, strict: bool = True) -> T:
    """Read a document as a record, or raise ValueError, which msgspec's own error is only from 0.20 on."""
    try:
        return msgspec.convert(document, kind, strict=strict)
    except msgspec.ValidationError as err:
        raise ValueError(str(err)) from err
