"""Who calls: keys, signatures over the bytes that arrived, permissions, plans."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_3commas.simulator import api_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from airflow_provider_3commas.simulator.records import Access
    from airflow_provider_3commas.simulator.scenarios import KeySpec, Permission

# The subscription plans that are read only; "free" has no API at all.
_READ_ONLY_PLANS = frozenset({"starter", "pro"})


class Signed(NamedTuple):
    """The key of a call whose signature was right, and the bytes that were signed."""

    key: KeySpec
    text: bytes


class KeyRing:
    """The API keys of the simulated user."""

    def __init__(self, keys: Iterable[KeySpec]) -> None:
        self._keys: dict[str, KeySpec] = {}
        self._rsa: dict[str, RSAPublicKey] = {}
        for spec in keys:
            self.put(spec)

    def get(self, key: str) -> KeySpec | None:
        """Return what is known about a key."""
        return self._keys.get(key)

    def all(self) -> list[KeySpec]:
        """Return all keys."""
        return list(self._keys.values())

    def put(self, spec: KeySpec) -> None:
        """Add or replace a key; raise ValueError if it could not verify anything."""
        if not spec.secret and not spec.public_key:
            raise ValueError(f"the key {spec.key} has neither a secret nor a public_key")
        self._rsa.pop(spec.key, None)
        if spec.public_key:
            self._rsa[spec.key] = _parse_public_key(spec.public_key)
        self._keys[spec.key] = spec

    def verify(self, headers: Mapping[bytes, bytes], target: bytes, body: bytes) -> Signed:
        """Check key and signature over path, query and body exactly as received, or raise a 401."""
        spec = self._keys.get(headers.get(b"apikey", b"").decode("latin-1"))
        if spec is None or spec.state != "active" or not spec.ip_allowed:
            raise api_errors.key_invalid()
        signature = headers.get(b"signature", b"")
        for text in _signed_texts(target, body):
            if self._matches(spec, signature, text):
                return Signed(spec, text)
        raise api_errors.signature_invalid()

    def _matches(self, spec: KeySpec, signature: bytes, text: bytes) -> bool:
        if spec.secret:
            expected = hmac.digest(spec.secret.encode(), text, hashlib.sha256).hex().encode()
            if hmac.compare_digest(expected, signature.lower()):
                return True
        public_key = self._rsa.get(spec.key)
        return public_key is not None and _rsa_matches(public_key, signature, text)


def authorize(spec: KeySpec, permission: Permission | None) -> None:
    """Raise a 403 if the key lacks the permission or is forbidden such calls, a 429 if its plan forbids them."""
    if permission is None:
        return
    if permission not in spec.permissions:
        raise api_errors.permission_denied(spec.denial)
    access = access_of(permission)
    if access in spec.forbidden:
        raise api_errors.forbidden(spec.forbidden_text)
    if spec.plan == "free" or (access == "writes" and spec.plan in _READ_ONLY_PLANS):
        raise api_errors.plan_forbids(access.removesuffix("s"))


def access_of(permission: Permission) -> Access:
    """Return the class of the calls that need a permission."""
    return "writes" if permission.endswith("_WRITE") else "reads"


def _signed_texts(target: bytes, body: bytes) -> list[bytes]:
    """Return the texts a signature may be over: the vendor's examples disagree on the ``?`` before a body."""
    if not body:
        return [target]
    return [target + (b"&" if b"?" in target else b"?") + body, target + body]


def _parse_public_key(pem: str) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the public key is not an RSA key")  # noqa: TRY004
    return key


def _rsa_matches(key: RSAPublicKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), SHA256())
    except (binascii.Error, InvalidSignature):
        return False
    return True
