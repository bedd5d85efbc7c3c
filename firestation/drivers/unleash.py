"""The Unleash source: feature flags as they stand, and who changed them around the alarm."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import ClassVar

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource
from firestation.evidence import Scope
from firestation.model import Duration, Line, Model

FEATURES = Fixed(url="/api/admin/projects/{project}/features", holds="$.features")
FEATURE = Fixed(url="/api/admin/projects/{project}/features/{feature}", holds="$.environments")
EVENTS = Fixed(
    url="/api/admin/search/events",
    query={"project": "IS:{project}", "from": "IS:{since}", "to": "IS:{until}", "limit": "1000"},
    holds="$.events",
)


class UnleashSourceConfig(ProductConfig):
    """`features` are the flags that are read with all their strategies; the list of all is always read.

    `look_back` is how far before the span of the alarm the changes go; Unleash counts in whole days.
    """

    parts: ClassVar = {"project": ("flags",)}

    project: Line = "default"
    features: tuple[Line, ...] = ()
    look_back: Duration = timedelta(days=7)


class UnleashSource(ProductSource[UnleashSourceConfig]):
    """Freezes the flags and their changes."""

    config_model: ClassVar[type[Model]] = UnleashSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """The flags first, then their changes."""
        project = self.config.project
        for feature in self.config.features:
            yield partial(
                self.freeze, "project", f"flag {feature}", FEATURE, project=project, feature=feature
            )
        yield partial(self.freeze, "project", "all flags", FEATURES, project=project)
        since = scope.since - self.config.look_back
        until = scope.until + timedelta(days=1)  # the last day counts to its beginning only
        yield partial(
            self.freeze,
            "project",
            "changes of flags",
            EVENTS,
            project=project,
            since=f"{since:%Y-%m-%d}",
            until=f"{until:%Y-%m-%d}",
        )
