"""What the tests enter: API keys, and an account name that is an attack."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_ATTACK = (
    '<img src=x onerror="window.hacked=1"> \'"><script>window.hacked=1</script> {{ 7 * 7 }} \u202egnorw\u202c \u200f'
)
HOSTILE = _ATTACK + "x" * (300 - len(_ATTACK))
HOSTILE_EXCHANGE = "<svg onload=\"window.hacked=1\"> & 'Kraken'"
HOSTILE_ID = 32500006
#: What is left of the name wherever only some of it is shown.
HOSTILE_BEGINNING = '<img src=x onerror="window.hacked=1">'


class ApiKeys:
    """API keys and their secrets; RSA keys are made anew each time."""

    lines, password = "rsa-key-of-the-default-3f9a", "rsa-key-in-the-password-77c1"
    wrong_secret = "secret-that-belongs-to-nothing-41d2"
    forbidden, secret_of_forbidden = "key-without-subscription-5b0e", "secret-without-subscription-8e6a"

    def __init__(self) -> None:
        self._private = {
            name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in (self.lines, self.password)
        }

    @property
    def public(self) -> dict[str, str]:
        """Return the public keys in PEM, by API key."""
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return {name: key.public_key().public_bytes(*form).decode() for name, key in self._private.items()}

    def pem(self, api_key: str) -> str:
        """Return a private key as a person would copy it."""
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self._private[api_key].private_bytes(*form).decode()

    def secret_texts(self, simulator_secret: str) -> list[str]:
        """Return everything that must be nowhere; of a PEM, each line."""
        lines = [line for name in self._private for line in self.pem(name).splitlines() if not line.startswith("-----")]
        # The last line can be so short that it is found anywhere.
        return [
            simulator_secret,
            self.wrong_secret,
            self.secret_of_forbidden,
            *(line for line in lines if len(line) > 16),
        ]
