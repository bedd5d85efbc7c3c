"""One runbook on a terminal, for a tired person: what it is for, and what happens in which order."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cli.plain import plain
from cli.show import ASK, BAD, DIM, command, say
from firestation.model import show_duration
from firestation.order import in_order, wanted
from firestation.runbook import GENERAL, Runbook
from firestation.severity import propose
from firestation.steps import FirebreakStep, ManualStep

AT_EXPIRY = {
    "lift": "it is put back",
    "keep": "it is held for another span",
    "escalate": "the next one is asked",
}
UNDECIDED = {
    "deny": "it lapses",
    "escalate": "the next one is asked too",
    "apply": "it is done",
    "keep": "it goes on waiting",
}


def show_page(console: Console, runbook: Runbook, *, stale: bool) -> None:
    """Print the whole page."""
    say(console, Text.assemble((runbook.runbook, "bold"), f"  {plain(runbook.title)}"))
    say(console, Text(f"{runbook.pattern}; for {plain(meant_for(runbook))}"))
    say(console, kept_true(runbook, stale=stale))
    if runbook.guidance:
        say(console, Text(plain(runbook.guidance)))
    _section(console, "How bad it is", _severity(runbook))
    _section(console, "What happens, in this order", _opening(runbook))
    for number, step in enumerate(in_order(runbook), start=1):
        console.print()
        _step(console, number, step)
    _section(console, "It has recovered when", _recovery(runbook))
    _section(console, "Words that are ready", _words(runbook))
    _section(console, "Afterwards", _afterwards(runbook))
    console.print()
    command(console, f"firestation runbook graph {runbook.runbook}")


def meant_for(runbook: Runbook) -> str:
    """Which alarms it is for, in words."""
    match = runbook.match
    said = [f"alarms named {' or '.join(match.names)}"] if match.names else []
    said += [f"label {label} {' or '.join(values)}" for label, values in match.labels.items()]
    if not said:
        return "whatever no other runbook is for" if runbook.pattern == GENERAL else "no alarm"
    return ", ".join(said) + (f", only on {' or '.join(match.systems)}" if match.systems else "")


def kept_true(runbook: Runbook, *, stale: bool) -> Text:
    """Who keeps it true, and when somebody last did."""
    owners = f"kept by {plain(', '.join(runbook.owners))}" if runbook.owners else "kept by nobody"
    if runbook.validated is None:
        return Text.assemble(f"{owners}; ", ("never validated", ASK))
    word = f"validated {runbook.validated}"
    return Text.assemble(f"{owners}; ", (f"STALE, {word}", BAD) if stale else (word, ""))


def _severity(runbook: Runbook) -> Iterator[Text]:
    proposal = propose(runbook.severity)
    yield from map(Text, proposal.reasons)
    yield Text(f"the engine proposes {proposal.severity}; the captain declares")


def _opening(runbook: Runbook) -> Iterator[Text]:
    yield Text("0. The captain is paged, and the evidence is frozen before anything moves.")
    if runbook.needs:
        yield Text(f"It cannot do without: {', '.join(runbook.needs)}", style=DIM)


def _step(console: Console, number: int, step: FirebreakStep | ManualStep) -> None:
    what = (
        f"{step.lever} -> {step.to}" if isinstance(step, FirebreakStep) else f"BY HAND: {plain(step.title)}"
    )
    say(console, Text.assemble((f"{number}. {step.id}: ", "bold"), (what, "bold")), indent=2, hang=3)
    turn = wanted(step)
    if turn:
        say(console, Text(plain(turn), style=ASK), indent=5)
    for line in _firebreak(step) if isinstance(step, FirebreakStep) else _by_hand(step):
        say(console, line, indent=5)


def _firebreak(step: FirebreakStep) -> Iterator[Text]:
    yield Text.assemble(("why    ", DIM), plain(step.why))
    yield Text.assemble(("cost   ", DIM), plain(step.cost))
    yield Text.assemble(("word   ", DIM), whose_word(step))
    probe = step.probe
    ineffective = "it is put back" if step.if_ineffective == "put-back" else "it is held"
    yield Text.assemble(
        ("probe  ", DIM),
        f"{probe.check} passes within {show_duration(probe.deadline)}; otherwise {ineffective}",
    )
    yield Text.assemble(
        ("ends   ", DIM),
        f"after {show_duration(step.expires_after)}; the captain is asked {show_duration(step.ask_before)} before, "
        f"and without an answer {AT_EXPIRY[step.at_expiry]}",
    )
    if step.group:
        yield Text.assemble(("group  ", DIM), f"{step.group}: these hold together, or all are put back")
    if step.way_back:
        yield Text.assemble(("back   ", DIM), plain(step.way_back))
    if step.drilled:
        yield Text.assemble(("drill  ", DIM), f"last rehearsed on {step.drilled}")


def whose_word(step: FirebreakStep) -> str:
    """On whose word it moves, and what follows when nobody gives it."""
    asked = "the captain" if step.approvals == 1 else f"{step.approvals} people, the captain one of them,"
    before = f"nobody's at {', '.join(step.preauthorized)}; otherwise " if step.preauthorized else ""
    absence = step.absence
    at = f" at {', '.join(absence.severities)}" if absence.severities else ""
    undecided = f"{UNDECIDED[absence.undecided]}{at}"
    return f"{before}{asked} within {show_duration(step.decide_within)}; undecided, {undecided}"


def _by_hand(step: ManualStep) -> Iterator[Text]:
    yield Text(plain(step.do))
    yield Text.assemble(
        ("done   ", DIM), f"the {step.confirmed_by} confirms it within {show_duration(step.within)}"
    )


def _recovery(runbook: Runbook) -> Iterator[Text]:
    recovery = runbook.recovery
    yield Text(
        f"{', '.join(recovery.checks)} held for {show_duration(recovery.soak)}, "
        f"asked every {show_duration(recovery.every)}"
    )


def _words(runbook: Runbook) -> Iterator[Text]:
    others = "".join(f", at {each} every {show_duration(span)}" for each, span in runbook.cadence_at.items())
    yield Text(f"a word every {show_duration(runbook.cadence)}{others}")
    for audience in ("internal", "public"):
        words = getattr(runbook.updates, audience)
        if words:
            yield Text(f"{audience}: {plain(words)}")
    if runbook.updates.public_approval:
        yield Text(f"public words wait for the yes of {runbook.updates.public_approval}")


def _afterwards(runbook: Runbook) -> Iterator[Text]:
    lock = runbook.lock
    tool = "" if lock.tool == "pytest" else f", in {lock.tool}"
    how = {
        "eval": f"{lock.check}, on what {lock.source} had frozen, {lock.live_runs} times{tool}",
        "guardrail": f"{lock.check} stops what {lock.source} had frozen, {lock.live_runs} times{tool}, and lets the "
        "control pass",
        "process": "a process: one person attests the change, and a second one stands for it",
    }
    yield Text(f"lock: {plain(lock.title)} ({how[lock.kind]})")
    for task in runbook.after_action:
        yield Text(
            f"{task.id}: {plain(task.title)} ({plain(task.owner)}, within {show_duration(task.within)})"
        )


def _section(console: Console, title: str, lines: Iterator[Text]) -> None:
    console.print()
    say(console, Text(title, style="bold"))
    for line in lines:
        say(console, line, indent=2)
