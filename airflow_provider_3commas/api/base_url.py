"""Which addresses a request may go to."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from airflow_provider_3commas.api.errors import ConfigurationError

#: The real 3Commas.
DEFAULT_BASE_URL = "https://api.3commas.io"

# Letters that are not ASCII may look like others: they have to be written as what is looked up, xn--.
_LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
#: Longest name of a host that can be looked up.
_LONGEST_NAME = 253


def check_base_url(url: str) -> str:
    """Return ``https://HOST[:PORT]`` without a trailing slash, or refuse the URL before any key is sent there.

    ``http://`` is only for loopback addresses. No path, query or credentials.
    """
    example = f"Expected the form {DEFAULT_BASE_URL}."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"The connection's host is not an address. {example}") from None
    # Anywhere: a password with a slash in it ends up in the path.
    if "@" in url:
        raise ConfigurationError(
            f"The connection's host has credentials in it. Put the API key into login and the secret into password. "
            f"{example}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"The connection's host {url!r} is not an http(s) address. {example}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"The connection's host {url!r} has a path or query. {example}")
    # urlsplit drops line breaks and tabs without a word.
    if not url.isprintable() or not _is_host(parts.hostname):
        raise ConfigurationError(
            f"The connection's host {url!a} is not the name or address of a host: a name has ASCII letters, digits and "
            f"hyphens, with dots in between; a name in other letters is written in its ASCII form, xn--. {example}"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"The connection's host {url!r} would send the API key unencrypted to another machine. Use https://; "
            "http:// is for loopback addresses such as the simulator's."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _is_host(host: str) -> bool:
    """Return whether this is an IP address, or a name that all who read it take for the same host."""
    try:
        return "%" not in str(ipaddress.ip_address(host))
    except ValueError:
        labels = host.split(".")
        # What ends in a number is an address to some, in forms such as 127.1 and 0x7f.1, and a name to others.
        return (
            len(host) <= _LONGEST_NAME
            and all(_LABEL.fullmatch(label) for label in labels)
            and re.fullmatch("[0-9]+|0x[0-9a-f]*", labels[-1]) is None
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address (without brackets) can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
