"""The sieve: the detectors of `detect-secrets` that know a credential by its form, and two of rule 11's."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector

FORMS = {
    "API key": re.compile(r"sk-[A-Za-z0-9_-]{20,}"),
    "Firestation token": re.compile(r"fs[bst]_(?:[a-z2-7]{10}_)?[a-z2-7]{52}"),
    "Bearer token": re.compile(r"[Bb](?:earer|EARER)\s+[\w.~+/-]{20,}"),
}
"""Forms that rule 11 knows and those detectors do not."""

NOT_OURS = (
    IPPublicDetector,  # an address is no credential
    PrivateKeyDetector,  # it knows the first line only; we take a key out whole
    CloudantDetector,  # these four guess by the words around, at a tenth of the others' speed
    IbmCloudIamDetector,
    IbmCosHmacDetector,
    SoftlayerDetector,
)


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
        for kind, form in FORMS.items():
            for found in form.finditer(text):
                # Looked at here and not by the expression: one that begins with letters is found ten times as fast.
                if not text[max(0, found.start() - 1) : found.start()].isalnum():
                    yield kind, found[0]
