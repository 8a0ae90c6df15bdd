"""What of a decoded reply must not leave the client."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

#: What stands in place of a credential in every Account.
REDACTED = "***"

# The exchange's own API key comes back as ``api_key``; the other names are what exchanges call their credentials.
# ``api_key_invalid`` (bool) and ``api_keys_state`` ("ok") are statuses and stay.
_CREDENTIAL_NAME = re.compile(
    r"(?:^|_)(?:api_?key|api_?secret|secret(?:_key)?|private_key|pass(?:word|wd|phrase)|(?:access_|auth_|bearer_)?token)$",
    re.IGNORECASE,
)


# A dict with such a name in it is an object to Airflow's XComs, or can't be handed on; 3Commas has none.
_AIRFLOWS_OWN = "__"


def redact_credentials(value: Any) -> Any:
    """Return a copy of a decoded JSON value in which every credential is replaced by ``***``.

    :param value: what the API sent: dicts, lists and scalars, nested as they come.
    :return: the same shape, with non-empty strings (and lists and objects) under credential-like names replaced, and
        without names that Airflow would not take for data.
    """
    if isinstance(value, dict):
        return {
            key: REDACTED if item and not isinstance(item, bool) and _is_credential(key) else redact_credentials(item)
            for key, item in value.items()
            if not key.startswith(_AIRFLOWS_OWN)
        }
    if isinstance(value, list):
        return [redact_credentials(item) for item in value]
    return value


def credentials_in(params: object) -> set[str]:
    """Return the credentials among the parameters of a request, as they are and as they are sent."""
    if not isinstance(params, Mapping):
        return set()
    found = [
        value
        for name, value in params.items()
        if isinstance(name, str) and isinstance(value, str) and value and _is_credential(name)
    ]
    return {*found, *map(_as_sent, found)}


def _as_sent(text: str) -> str:
    return quote_plus(text, errors="replace")


# The same few dozen names come with every Account.
@functools.lru_cache(maxsize=1024)
def _is_credential(name: str) -> bool:
    return _CREDENTIAL_NAME.search(name) is not None
