"""What signs for this station, as its settings name it: the worker seals manifests with it, the gateway bundles."""

from firestation.errors import NotConfigured
from firestation.ports import Secrets
from firestation.settings import Settings
from firestation.signing import KeySigner, UriSigner, ensure_key


def open_signer(settings: Settings, secrets: Secrets, *, make: bool = True) -> KeySigner | UriSigner:
    """What seals manifests: the key of a service when the settings name one, or the local key, made if need be.

    Without `make` it is never made: what another key signs, nobody trusts.

    Raises `NotConfigured` when it cannot sign.
    """
    if settings.key_uri is None:
        if make:
            ensure_key(settings.signing_key)
        return KeySigner(settings.signing_key)
    if settings.key_public is None:
        raise NotConfigured(
            "FIRESTATION_KEY_URI needs FIRESTATION_KEY_PUBLIC, the PEM file of the public key"
        )

    def pin() -> str:
        if settings.key_pin is None:
            raise NotConfigured(
                f"{settings.key_uri} asks for a PIN; name it by FIRESTATION_KEY_PIN=file:PATH"
            )
        return secrets.resolve(settings.key_pin)

    return UriSigner(settings.key_uri, settings.key_public, pin)
