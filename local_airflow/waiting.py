"""Wait for something that happens in other processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_airflow.errors import LocalAirflowError

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_for(what: str, look: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> Any:
    """Look until there is something to see.

    :param what: what is looked for, for the message.
    :param look: returns something true at the end.
    :param seconds: for how long at most.
    :param explain: says what is known if the time is over.
    :return: what was seen.
    :raises LocalAirflowError: the time is over.
    """
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise LocalAirflowError(f"waited {seconds:g} s in vain for {what}\n{explain()}")
        time.sleep(0.1)
