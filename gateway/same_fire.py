"""Perhaps the same fire: other open incidents of one system that opened at about the same time, to be merged."""

from collections.abc import Iterable
from datetime import timedelta

from firestation.picture import Picture
from firestation.state import ENDS
from gateway.book import Book
from gateway.desk import Row
from gateway.forms import Form

MOST_OFFERED = 10


def same_fire(rows: Iterable[Row], seen: Picture, book: Book) -> tuple[Row, ...]:
    """The incidents that may be the same fire as this one, the nearest in time first; none once it has ended."""
    system = book.systems.get(seen.system)
    if system is None or seen.phase in ENDS:
        return ()

    def apart(row: Row) -> timedelta:
        return abs(row.opened_at - seen.opened_at)

    near = (
        row
        for row in rows
        if row.open
        and row.system == seen.system
        and row.incident != seen.incident
        and apart(row) <= system.same_fire
    )
    return tuple(sorted(near, key=apart)[:MOST_OFFERED])


def offered(forms: dict[str, Form], rows: tuple[Row, ...]) -> dict[str, Form]:
    """The forms, with these incidents as what the one for merging offers; another can be typed as ever."""
    form = forms.get("merge")
    if form is None or not rows:
        return forms
    choices = tuple((row.incident, f"{row.title}, {row.phase}") for row in rows)
    fields = tuple(each._replace(options=choices) if each.name == "into" else each for each in form.fields)
    return {**forms, "merge": form._replace(fields=fields)}
