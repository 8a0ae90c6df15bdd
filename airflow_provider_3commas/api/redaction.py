"""What must not be shown: our own credentials as values that print ``***``, and those in replies."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus

E = TypeVar("E", bound=BaseException)

#: What stands in place of a credential.
REDACTED = "***"

# Names are compared in lower case and without anything but letters and digits. The exchange's own API key comes back as
# ``api_key``; the other names are what exchanges and services call their credentials.
_CREDENTIAL_NAME = re.compile(
    r"key|secret|token|passw|passphrase|passcode|^pass$|credential|signature|mnemonic|otp$|^otp|bearer|authorization"
)
#: Names that look like one and are a status.
_STATUSES = frozenset({"apikeyinvalid", "apikeysstate", "keyword", "keywords"})
_URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/@]*:[^\s/]*@")
_JSON_FIELD = re.compile(r'("([^"]{1,60})"\s*:\s*)"[^"]*"')
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9]")
# How lists of fields write a field: {"name": "api_key", "value": "..."}.
_NAMES_OF_NAMES, _NAMES_OF_VALUES = ("name", "key", "field", "label"), frozenset({"value", "val", "data"})


class Secret(str):
    """A text that is sent and signed with as it is, and prints as ``***`` where a debugger shows values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{REDACTED}'"

    def __getitem__(self, index: Any) -> str:
        # What shows values shows the beginning of long ones.
        return Secret(super().__getitem__(index))


def without_frames(error: E) -> E:
    """Return an error without the frames that it came through: a traceback may show their values, the secrets."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def redacted_value(fields: Mapping[str, Any], name: str, value: Any) -> Any:
    """Return the value of a field of a reply, or ``***`` if it is a credential by its name."""
    # Texts, and lists and objects of them; "invalid: true" and "expires_at: null" are no credentials.
    if not value or isinstance(value, bool):
        return value
    if is_credential(name):
        return REDACTED
    if name in _NAMES_OF_VALUES and any(
        isinstance(of := fields.get(other), str) and is_credential(of) for other in _NAMES_OF_NAMES
    ):
        return REDACTED
    return value


def redacted_text(text: str) -> str:
    """Return a text without the user and password of a URL in it, and without the credentials of JSON in it."""
    if "://" in text:
        text = _URL_CREDENTIALS.sub(f"{REDACTED}@", text)
    if '":' in text:
        text = _JSON_FIELD.sub(lambda field: f'{field[1]}"{REDACTED}"' if is_credential(field[2]) else field[0], text)
    return text


def credentials_in(params: object) -> set[str]:
    """Return the credentials among the parameters of a request, as they are and as they are sent."""
    if not isinstance(params, Mapping):
        return set()
    found = {
        value
        for name, value in params.items()
        if isinstance(name, str) and isinstance(value, str) and value and is_credential(name)
    }
    return found | {quote_plus(value, errors="replace") for value in found}


# The same few dozen names come with every Account; they are cut before they come here.
@functools.lru_cache(maxsize=1024)
def is_credential(name: str) -> bool:
    """Return whether a field of this name holds a credential."""
    normalised = _NOT_OF_A_NAME.sub("", name.lower())
    return normalised not in _STATUSES and _CREDENTIAL_NAME.search(normalised) is not None
