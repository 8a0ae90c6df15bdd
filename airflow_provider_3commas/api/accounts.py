"""Account ids and Account entities: what may go into a request, and what may leave the client."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_3commas.api.errors import InvalidAccountId

#: What stands in place of a credential in every Account.
REDACTED = "***"

# The exchange's own API key comes back as ``api_key``; the other names are what exchanges call their credentials.
# ``api_key_invalid`` (bool) and ``api_keys_state`` ("ok") are statuses and stay.
_CREDENTIAL_NAME = re.compile(
    r"(?:^|_)(?:api_?key|api_?secret|secret(?:_key)?|private_key|pass(?:word|wd|phrase)|(?:access_|auth_|bearer_)?token)$",
    re.IGNORECASE,
)
# The largest signed 64-bit integer has 19 digits; a longer id is a paste accident.
_ACCOUNT_ID = re.compile(r"[0-9]{1,19}")


def parse_account_id(value: object) -> int:
    """Return the account id as a positive integer, or refuse it before anything is sent.

    Templates render strings, so a string of ASCII digits is taken as well. Nothing else is: in several of the API's
    paths ``summary`` stands for *all accounts*, and a sell must never get near it.

    :param value: a positive ``int``, or a ``str`` of ASCII digits with optional surrounding blanks.
    :return: the account id.
    :raises InvalidAccountId: for everything else; the message shows what was given.
    """
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _ACCOUNT_ID.fullmatch(value.strip(" \t\r\n")):
        number = int(value)
    if 0 < number < 2**63:
        return number
    shown = repr(value)
    raise InvalidAccountId(
        f"account_id must be the positive integer that 3Commas shows for the exchange account, got "
        f"{shown if len(shown) <= 80 else shown[:77] + '...'} ({type(value).__name__}). If it comes from a template, "
        f"look at the task's rendered fields: an undefined variable renders to an empty string or 'None'."
    )


def redact_credentials(value: Any) -> Any:
    """Return a copy of a decoded JSON value in which every credential is replaced by ``***``.

    :param value: what the API sent: dicts, lists and scalars, nested as they come.
    :return: the same shape, with non-empty strings (and lists and objects) under credential-like names replaced.
    """
    if isinstance(value, dict):
        return {
            key: REDACTED if item and _is_credential(key, item) else redact_credentials(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact_credentials(item) for item in value]
    return value


def _is_credential(name: str, value: Any) -> bool:
    return not isinstance(value, bool) and _CREDENTIAL_NAME.search(name) is not None
