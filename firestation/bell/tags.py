"""Tags, as Datadog, Opsgenie and Sentry have them: `name:value`, or a word alone."""

from collections.abc import Iterable


def labels_of(tags: Iterable[str]) -> dict[str, str]:
    """The tags as labels. A word alone is its own label, and is empty; of a name that comes twice the first counts."""
    found: dict[str, str] = {}
    for tag in tags:
        name, _, value = tag.partition(":")
        if name.strip():
            found.setdefault(name.strip(), value.strip())
    return found
