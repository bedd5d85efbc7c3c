"""Grafana alerting: Alertmanager's form with Grafana's own links and values."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from firestation.alarm import Alarm
from firestation.bell.alertmanager import Alert, alarm_of, left_out
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import Foreign, each, identity, plain, read

MAIN = 1
"""The organization that every Grafana has."""


class GrafanaAlert(Alert):
    """One alert of Grafana."""

    values: dict[str, Any] | None = None
    dashboardURL: str = ""  # noqa: N815 - Grafana's names
    panelURL: str = ""  # noqa: N815


class GrafanaNotification(Foreign):
    """A notification of Grafana: a group of alerts, each read by itself."""

    version: Literal["1"]
    orgId: int = Field(default=MAIN, ge=0, le=2**63)  # noqa: N815 - Grafana's names
    alerts: tuple[Any, ...] = Field(min_length=1)
    truncatedAlerts: int = Field(default=0, ge=0, le=1_000_000_000)  # noqa: N815


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarms of a notification. The key of each is its fingerprint in its organization."""
    read_of = read(GrafanaNotification, body)

    def one(index: int, item: Any) -> Alarm:
        alert = read(GrafanaAlert, item, "alerts", index)
        key, more = identity(read_of.orgId, alert.fingerprint), left_out(read_of.truncatedAlerts, "Grafana")
        notes = {"values": plain(alert.values)} if alert.values else {}
        url = alert.panelURL or alert.dashboardURL
        return alarm_of(index, alert, ear, key=key, more=more, url=url, **notes)

    return each(read_of.alerts, one)._replace(cut=read_of.truncatedAlerts)
