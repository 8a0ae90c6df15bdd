"""Signing: the vendor's vector, openssl's opinion, and every text that is not a usable key."""

from __future__ import annotations

import base64
import subprocess
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from airflow_provider_3commas.api import ConfigurationError
from airflow_provider_3commas.api.credentials import Credentials, HmacSigner, RsaSigner, _load_rsa_key, normalize_pem

# Published by the vendor with its documentation.
GOLDEN_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
GOLDEN_TEXT = "/public/api/ver1/users/change_mode?mode=paper"
GOLDEN_SIGNATURE = "bca8d8c10acfbe8e76c5335d3efbe0a550487170a8bb7aaea0a13efabab55316"


def pem(key, form=PrivateFormat.PKCS8, encryption=None) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


def test_hmac_signature_is_the_vendors_golden_vector():
    assert HmacSigner(GOLDEN_SECRET).sign(GOLDEN_TEXT) == GOLDEN_SIGNATURE


def test_one_signer_signs_many_requests():
    signer = HmacSigner(GOLDEN_SECRET)
    signer.sign("/something/else")
    assert signer.sign(GOLDEN_TEXT) == GOLDEN_SIGNATURE


@pytest.mark.parametrize("bits", [2048, 4096])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_rsa_signature_is_verified_by_openssl(tmp_path, bits, form):
    key = rsa.generate_private_key(65537, bits)
    signature = RsaSigner(pem(key, form)).sign(GOLDEN_TEXT)
    assert "\n" not in signature
    (tmp_path / "public.pem").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "signature").write_bytes(base64.b64decode(signature))
    (tmp_path / "text").write_text(GOLDEN_TEXT)
    verdict = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict.stdout.strip() == "Verified OK", verdict.stderr


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text, id="as it is"),
        pytest.param(lambda text: text.replace("\n", " "), id="blanks"),
        pytest.param(lambda text: text.replace("\n", ""), id="joined"),
        pytest.param(lambda text: text.replace("\n", "\\n"), id="escaped"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="windows"),
        pytest.param(lambda text: f"\n  {text}  \n", id="surrounded"),
    ],
)
def test_pem_that_lost_its_line_breaks_is_repaired(rsa_key, form, damage):
    text = pem(rsa_key, form)
    assert normalize_pem(damage(text)) == text
    assert RsaSigner(damage(text)).sign(GOLDEN_TEXT) == RsaSigner(text).sign(GOLDEN_TEXT)


def test_rsa_key_is_parsed_once_a_process(rsa_key):
    _load_rsa_key.cache_clear()
    for _ in range(3):
        Credentials("key", pem(rsa_key))
    assert _load_rsa_key.cache_info().misses == 1


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("", "no API secret"),
        ("   ", "no API secret"),
        ("***", "mask"),
        ("two words", "blanks"),
        ("s\u00e9cret", "non-ASCII"),
        ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 10, "without its BEGIN and END lines"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "no matching"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "'CERTIFICATE'"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "'OPENSSH PRIVATE KEY'"),
    ],
)
def test_unusable_secret_is_refused_by_what_it_is(secret, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        Credentials("key", secret)
    assert "AAAA" not in str(caught.value)


def test_public_key_in_place_of_the_private_one_is_named(rsa_key):
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ConfigurationError, match="'PUBLIC KEY'"):
        Credentials("key", public)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_encrypted_key_is_named(rsa_key, form):
    with pytest.raises(ConfigurationError, match="encrypted with a passphrase"):
        Credentials("key", pem(rsa_key, form, BestAvailableEncryption(b"passphrase")))


def test_short_rsa_key_is_named():
    with pytest.raises(ConfigurationError, match="1024 bits"):
        Credentials("key", pem(rsa.generate_private_key(65537, 1024)))


def test_key_of_another_kind_is_named():
    with pytest.raises(ConfigurationError, match="of the kind EC, not RSA"):
        Credentials("key", pem(ec.generate_private_key(ec.SECP256R1())))


def test_missing_api_key_is_named():
    with pytest.raises(ConfigurationError, match="login"):
        Credentials("", GOLDEN_SECRET)


def test_nothing_shows_a_secret(rsa_key):
    for secret in (GOLDEN_SECRET, pem(rsa_key)):
        shown = repr(Credentials("the-api-key", secret))
        assert "the-api-key" not in shown
        assert secret[40:60] not in shown


@pytest.mark.parametrize(
    ("api_key", "secret"),
    [
        ("key-K3Y-key", "s3cr3t with a blank"),
        ("key-K3Y with a blank", "s3cr3t"),
        ("key-K3Y", ""),
        ("key-K3Y", "-----BEGIN PRIVATE KEY----- s3cr3t"),
        ("key-K3Y", "-----BEGIN PRIVATE KEY----- s3cr3t -----END PRIVATE KEY-----"),
        ("key-K3Y", "-----BEGIN PUBLIC KEY----- s3cr3t -----END PUBLIC KEY-----"),
        ("key-K3Y", "-----BEGIN PRIVATE KEY----- ENCRYPTED s3cr3t -----END PRIVATE KEY-----"),
        ("key-K3Y", "MIIs3cr3t" + "x" * 300),
    ],
)
def test_no_refusal_shows_a_secret_to_what_prints_values(api_key, secret):
    values = [api_key, secret]
    with pytest.raises(ConfigurationError) as caught:
        Credentials(*values)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The first is this one, which has them.
    shown = "".join(traceback.StackSummary.from_list(frames.stack[1:]).format()) + repr(caught.value)
    assert "Credentials" in shown
    assert "K3Y" not in shown
    assert "s3cr3t" not in shown
    assert caught.value.__context__ is None
