"""No key is ever sent to an address that can't be meant."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.api.base_url import check_base_url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.3commas.io", "https://api.3commas.io"),
        ("https://api.3commas.io/", "https://api.3commas.io"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://API.3commas.io", "https://api.3commas.io"),
        ("https://xn--80ak6aa92e.example", "https://xn--80ak6aa92e.example"),
        ("https://gateway", "https://gateway"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_a_usable_address_is_scheme_host_and_port(url, base):
    assert check_base_url(url) == base


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://api.3commas.io", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("http://10.0.0.1", "unencrypted"),
        ("https://api.3commas.io/public/api", "path"),
        ("https://api.3commas.io?x=1", "path or query"),
        ("https://api.3commas.io#x", "path or query"),
        ("https://key:secret@api.3commas.io", "credentials"),
        ("https://key:12/secret@api.3commas.io", "credentials"),
        ("https://key?secret@api.3commas.io", "credentials"),
        ("ftp://api.3commas.io", "not an http"),
        ("https://", "not an http"),
        ("https://host:port", "not an address"),
        ("https://[::1", "not an address"),
        ("https://exa mple.com", "not the name or address"),
        ("https://*.evil.com", "not the name or address"),
        ("https://.evil.com", "not the name or address"),
        ("https://evil..com", "not the name or address"),
        ("https://-evil.com", "not the name or address"),
        ("https://evil_com", "not the name or address"),
        ("https://api.3commas.io\\.evil.com", "not the name or address"),
        ("https://api.3commas.io%00.evil.com", "not the name or address"),
        ("https://api.3commas.io\0", "not the name or address"),
        ("https://api.3com\nmas.io", "not the name or address"),
        ("https://api.3commas.io\u202e", "not the name or address"),
        ("https://\u0430pi.3commas.io", "xn--"),
        ("https://127.1", "not the name or address"),
        ("https://0x7f.0x1", "not the name or address"),
        ("https://2130706433", "not the name or address"),
        ("https://[fe80::1%eth0]", "not the name or address"),
        (f"https://{'a' * 64}.com", "not the name or address"),
        (f"https://{'a.' * 130}com", "not the name or address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        check_base_url(url)
    assert "secret" not in str(caught.value).replace("secret into", "")


def test_a_letter_that_looks_like_another_is_shown_as_what_it_is():
    with pytest.raises(ConfigurationError) as caught:
        check_base_url("https://\u0430pi.3commas.io")
    assert "\\u0430pi" in str(caught.value)
    assert str(caught.value).isascii()


@given(host=st.text(min_size=1, max_size=20) | st.from_regex(r"[a-z0-9.*\\ -]{1,20}", fullmatch=True))
def test_whatever_is_taken_for_a_host_is_sent_to_that_host(host):
    try:
        base = check_base_url(f"https://{host}")
    except ConfigurationError:
        return
    prepared = requests.Request("GET", f"{base}/public/api").prepare()
    assert prepared.url == f"{base}/public/api"
