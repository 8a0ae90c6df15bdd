"""Account ids: what may go into a request. Imported at the parse of DAG files, so light."""

from __future__ import annotations

# The largest signed 64-bit integer has 19 digits; a longer id is a paste accident.
_MAX_DIGITS = 19


def parse_account_id(value: object) -> int:
    """Return the account id as a positive integer, or raise ``InvalidAccountId`` before anything is sent.

    Templates render strings, so a string of ASCII digits is taken as well, with blanks around it. Nothing else is: in
    several of the API's paths ``summary`` stands for *all accounts*, and a sell-all must never get near it.
    """
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _is_digits(value.strip(" \t\r\n")):
        number = int(value)
    if 0 < number < 2**63:
        return number
    from airflow_provider_3commas.api.errors import InvalidAccountId

    shown = repr(value)
    raise InvalidAccountId(
        f"account_id must be the positive integer that 3Commas shows for the exchange account, got "
        f"{shown if len(shown) <= 80 else shown[:77] + '...'} ({type(value).__name__}). If it comes from a template, "
        f"look at the task's rendered fields: an undefined variable renders to an empty string or 'None'."
    )


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
