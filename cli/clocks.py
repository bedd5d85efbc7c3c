"""Legal clocks on a terminal: what runs, how long is left, and who was informed."""

from collections.abc import Iterator

from rich.text import Text

from cli.clockface import clock, towards
from cli.plain import SHORT, plain
from firestation.legal import LegalRun
from firestation.picture import Picture

GOOD, BAD, ASK, DIM = "green", "bold red", "bold yellow", "dim"


def legal_clocks(seen: Picture) -> Iterator[Text]:
    """Each clock that was started, with its source; overdue and late are words too, not only a colour."""
    for run in seen.legal:
        yield _stands(run, seen)
        yield Text(f"  {plain(run.clock.title, SHORT)}: {plain(run.clock.source, SHORT)}", style=DIM)


def _stands(run: LegalRun, seen: Picture) -> Text:
    now, name = seen.as_of, f"{plain(run.clock.id)}, for {plain(run.cause)}"
    if run.withdrawn_by:
        why = f"{plain(run.withdrawn_by)}: {plain(run.withdrawn_reason or '', SHORT)}"
        return Text.assemble(("stopped ", DIM), f"{name}, withdrawn by {why}")
    if run.informed:
        told = run.informed
        word = ("LATE    ", BAD) if run.late else ("told    ", GOOD)
        return Text.assemble(
            word,
            f"{name}: {plain(told.authority)} informed {clock(told.at, now)}, due {clock(run.due, now)}, by the word "
            f"of {plain(told.by)}: {plain(told.reference)}",
        )
    word = ("OVERDUE ", BAD) if now >= run.due else ("runs    ", ASK)
    when = f"due {clock(run.due, now)} ({towards(run.due, now)}), known since {clock(run.since, now)}"
    return Text.assemble(word, (f"{name}: {when}", BAD if now >= run.due else ""))
