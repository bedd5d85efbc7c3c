"""The formats of the bell, by the name that a bell in the station file has them by."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from firestation.bell import (
    alertmanager,
    cloudevents,
    datadog,
    generic,
    grafana,
    langfuse,
    langsmith,
    opsgenie,
    otlp,
    pagerduty_events,
    pagerduty_webhook,
    sentry,
)
from firestation.bell.heard import Ear, Format, Heard
from firestation.bell.reading import shallow

FormatName = Literal[
    "alertmanager",
    "cloudevents",
    "datadog",
    "generic",
    "grafana",
    "langfuse",
    "langsmith",
    "opsgenie",
    "otlp",
    "pagerduty-events",
    "pagerduty-webhook",
    "sentry",
]

FORMATS: dict[FormatName, Format] = {
    "alertmanager": alertmanager.hear,
    "cloudevents": cloudevents.hear,
    "datadog": datadog.hear,
    "generic": generic.hear,
    "grafana": grafana.hear,
    "langfuse": langfuse.hear,
    "langsmith": langsmith.hear,
    "opsgenie": opsgenie.hear,
    "otlp": otlp.hear,
    "pagerduty-events": pagerduty_events.hear,
    "pagerduty-webhook": pagerduty_webhook.hear,
    "sentry": sentry.hear,
}
assert set(FORMATS) == set(get_args(FormatName))


def hear(name: FormatName, body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:
    """What a delivery in this format says. Raises `InvalidInput` when nothing of it is usable."""
    shallow(body)
    heard = FORMATS[name](body, headers, ear)
    if heard.errors and not heard.alarms:
        raise heard.errors[0]
    return heard
