"""The sieve: the detectors of `detect-secrets` that know a credential by its form, and our own rule's forms."""

from collections.abc import Iterable, Iterator
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector

from firestation.rules import SECRETS

NOT_OURS = (IPPublicDetector, PrivateKeyDetector)
"""An address is no credential; of a private key that detector knows the first line only, and we take it out whole."""


class DetectSecretsSieve:
    """Finds credentials by their form. It guesses at none: no entropy, no keywords."""

    def __init__(self) -> None:
        known: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
        self._detectors = [
            each()
            for each in known
            if issubclass(each, RegexBasedDetector) and not issubclass(each, NOT_OURS)
        ]

    def find(self, text: str) -> Iterator[tuple[str, str]]:
        """Each credential: what kind it is, and the very characters."""
        for detector in self._detectors:
            for secret in detector.analyze_string(text):
                yield str(detector.secret_type), str(secret)
        for found in SECRETS.finditer(text):
            yield "a form that is a credential", found[0]
