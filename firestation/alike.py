"""Which alarms are meant, by their names and labels: for runbooks, and for the rules of triage."""

from pydantic import Field

from firestation.model import Model


class Alike(Model):
    """Alarms by name and labels: every label must have one of its values. With neither, no alarm is meant."""

    names: tuple[str, ...] = Field(default=(), description="the names of alarms, one of which it must have")
    labels: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="labels, each with the values of which it must have one"
    )

    @property
    def empty(self) -> bool:
        """Whether it means no alarm."""
        return not self.names and not self.labels

    def means(self, name: str, labels: dict[str, str]) -> bool:
        """Whether such an alarm is meant."""
        if self.empty or (self.names and name not in self.names):
            return False
        return all(labels.get(label) in values for label, values in self.labels.items())

    def covers(self, other: "Alike") -> bool:
        """Whether every alarm that the other means is meant here too."""
        if self.empty:
            return False
        named = not self.names or (bool(other.names) and set(other.names) <= set(self.names))
        return named and all(
            label in other.labels and set(other.labels[label]) <= set(values)
            for label, values in self.labels.items()
        )
