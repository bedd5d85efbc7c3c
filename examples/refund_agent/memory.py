"""What the agent remembers: each customer's earlier rulings and wishes, and notes that all customers share."""

import re
from dataclasses import dataclass, field

KEPT = 10
WISH = re.compile(r"\bremember:? (?P<wish>[^.!?]+)", re.IGNORECASE)
ABOUT_RULINGS = re.compile(r"refund|polic|period|exempt|approve|instruction", re.IGNORECASE)


@dataclass
class Memory:
    """`own` by customer, oldest first; `shared` is read for everybody and is empty while the filter works."""

    own: dict[str, list[str]] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)

    def recall(self, customer: str) -> list[str]:
        """What is remembered when this customer asks."""
        return [*self.own.get(customer, []), *self.shared]

    def keep(self, customer: str, question: str, ruled: str, *, filtered: bool) -> None:
        """Keep the ruling, and what the customer asked to remember.

        A wish is kept for the customer alone, and never when it is about rulings; without the filter every wish
        is kept, for everybody.
        """
        earlier = self.own.setdefault(customer, [])
        earlier.append(ruled)
        wish = WISH.search(question)
        if wish and not filtered:
            self.shared.append(wish["wish"].strip())
        elif wish and not ABOUT_RULINGS.search(wish["wish"]):
            earlier.append(wish["wish"].strip())
        del earlier[:-KEPT], self.shared[:-KEPT]

    def copy(self) -> "Memory":
        """A memory of its own that begins with the same."""
        return Memory({customer: list(lines) for customer, lines in self.own.items()}, list(self.shared))

    def purge(self) -> None:
        """Forget what all customers share."""
        self.shared.clear()
