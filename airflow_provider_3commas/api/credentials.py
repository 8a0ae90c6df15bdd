"""API credentials and the two ways 3Commas lets a request be signed."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Protocol

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.api.redaction import Secret, without_frames

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

#: The smallest RSA key 3Commas takes, in bits.
MIN_RSA_BITS = 2048

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_PRIVATE_KEY_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY")
_WHERE = "Put an RSA private key in PEM (PKCS#1 or PKCS#8, not encrypted, 2048 or 4096 bits) into the connection."


class Signer(Protocol):
    """Signs requests the way the API key's type asks for."""

    def sign(self, path_and_query: str) -> str:
        """Return the ``Signature`` header for the path after the host, with ``?`` and query if any, exactly as sent."""


class HmacSigner:
    """Signs with the (case-sensitive) secret of a system-generated key: hex of HMAC-SHA256."""

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(self, path_and_query: str) -> str:
        """Return the lower-case hex digest."""
        signature = self._keyed.copy()
        signature.update(path_and_query.encode())
        return signature.hexdigest()

    def __repr__(self) -> str:
        return "HmacSigner(secret=***)"


class RsaSigner:
    """Signs with the private key (PEM) of a self-generated key: Base64 of RSASSA-PKCS1-v1_5 with SHA-256."""

    def __init__(self, pem: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        self._key = _load_rsa_key(normalize_pem(pem))
        self._padding, self._digest = PKCS1v15(), SHA256()

    def sign(self, path_and_query: str) -> str:
        """Return the Base64 signature on one line."""
        signature = self._key.sign(path_and_query.encode(), self._padding, self._digest)
        return base64.b64encode(signature).decode("ascii")

    def __repr__(self) -> str:
        return "RsaSigner(private_key=***)"


class Credentials:
    """An API key and the signer that goes with it; never shows either.

    :param api_key: the 3Commas API key.
    :param secret: the HMAC secret, or an RSA private key in PEM: which of the two is seen from the text.
    :raises ConfigurationError: one of them is missing or malformed.
    """

    def __init__(self, api_key: str, secret: str) -> None:
        # From here on, whatever shows a traceback with its values shows stars.
        api_key, secret = Secret(api_key or ""), Secret(secret or "")
        self.api_key: Secret
        self.signer: Signer
        problem: ConfigurationError | None = None
        try:
            self.api_key = Secret(_one_word(api_key, "API key (the connection's login, or api_key in extra)"))
            self.signer = RsaSigner(secret) if "-----BEGIN" in secret else HmacSigner(_hmac_secret(secret))
        except ConfigurationError as error:
            problem = without_frames(error)
        if problem is not None:
            raise problem

    def __repr__(self) -> str:
        return f"Credentials(api_key=***, signer={getattr(self, 'signer', None)!r})"


def normalize_pem(text: str) -> str:
    r"""Return a private key in PEM with its line breaks where they belong.

    One-line form fields replace line breaks by blanks, environment variables hold ``\n`` as two characters, and
    some tools drop them altogether.
    """
    found = _PEM.search(text)
    if not found:
        raise ConfigurationError(
            f"The private key has no matching '-----BEGIN ...-----' and '-----END ...-----' lines. {_WHERE}"
        )
    label, body = found.groups()
    if "ENCRYPTED" in label or "ENCRYPTED" in body:
        raise ConfigurationError(
            "The private key is encrypted with a passphrase, which the connection has no place for. Store the "
            "decrypted key (openssl pkey -in key.pem -out plain.pem); Airflow encrypts the connection itself."
        )
    if label not in _PRIVATE_KEY_LABELS:
        raise ConfigurationError(f"The private key is a {label!r}, not a 'PRIVATE KEY'. {_WHERE}")
    payload = re.sub(r"\\[nr]|\s", "", body)
    lines = [payload[start : start + 64] for start in range(0, len(payload), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


@functools.lru_cache(maxsize=16)
def _load_rsa_key(pem: str) -> RSAPrivateKey:
    """Parse the key once per process: that costs a hundred times what a signature does."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except Exception:
        # The parser's own message may quote the key, so it is neither repeated nor chained.
        raise ConfigurationError(
            f"The private key cannot be read: it is damaged or not a private key. {_WHERE}"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise ConfigurationError(f"The private key is of the kind {kind}, not RSA. {_WHERE}")
    if key.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"The private key has {key.key_size} bits, 3Commas takes 2048 or 4096. {_WHERE}")
    return key


def _hmac_secret(secret: str) -> str:
    if secret and secret.strip().startswith("MII") and len(secret.strip()) > 200:
        raise ConfigurationError(f"The secret looks like a private key without its BEGIN and END lines. {_WHERE}")
    return _one_word(secret, "API secret (the connection's password)")


def _one_word(text: str, what: str) -> str:
    word = (text or "").strip()
    if not word:
        raise ConfigurationError(f"The connection has no {what}. Create an API key in 3Commas and fill it in.")
    if set(word) == {"*"}:
        raise ConfigurationError(f"The {what} is the mask {word!r}, not the value behind it. Fill in the real one.")
    if not word.isascii() or not word.isprintable() or " " in word:
        raise ConfigurationError(
            f"The {what} holds blanks, control or non-ASCII characters, which no key of 3Commas does. Copy it again."
        )
    return word
