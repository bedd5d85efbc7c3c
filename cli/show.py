"""One incident on a terminal: what is known in one look, what is waited for, and what to type next.

Nothing here interprets markup, colours never are the only sign, and everything that came from outside goes through
`plain`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from cli.clockface import clock, towards, zone
from cli.clocks import legal_clocks
from cli.plain import SHORT, plain
from firestation.board import TO, Entry, Word, WordDraft
from firestation.clock import Deadline
from firestation.firebreak import ENDED as LEASE_ENDED
from firestation.firebreak import HOLDING, Decided, Firebreak, Lease
from firestation.model import show_duration
from firestation.picture import Picture, Waiting, attached
from firestation.release import Pending
from firestation.state import ENDS
from firestation.timeline import Moment

TAIL = 12
GOOD, BAD, ASK, DIM = "green", "bold red", "bold yellow", "dim"
STATES = {
    Lease.EFFECTIVE: GOOD,
    Lease.ADOPTED: GOOD,
    Lease.LIFTED: GOOD,
    Lease.PROPOSED: ASK,
    Lease.INEFFECTIVE: BAD,
    Lease.UNCERTAIN: BAD,
    Lease.DRIFTED: BAD,
    Lease.TAKEN: BAD,
}


NOTES = {"fact": "Facts", "hypothesis": "Hypotheses, not known to be true", "refuted": "Refuted"}


def show(console: Console, seen: Picture, *, everything: bool = False) -> None:
    """Print the whole picture; the timeline's tail only, unless `everything`."""
    _head(console, seen)
    console.print()
    waiting(console, seen)
    _section(console, "Severity", _severity(seen))
    _section(console, "The first fifteen minutes", (_milestone(each, seen) for each in seen.deadlines))
    _section(console, "Legal clocks", legal_clocks(seen), hang=8)
    _section(console, "Firebreaks", (line for each in seen.firebreaks for line in _firebreak(each, seen)))
    _section(
        console,
        "Steps not taken",
        (Text(f"{plain(step)}: {plain(why, SHORT)}") for step, why in seen.skipped.items()),
    )
    _section(
        console, "Not their turn", (Text(f"{step}: {plain(why, SHORT)}") for step, why in seen.turns.items())
    )
    _section(console, "Evidence", _evidence(seen), hang=8)
    for standing, title in NOTES.items():
        said = (_note(each, seen.as_of) for each in seen.entries if each.standing == standing)
        _section(console, title, said)
    _section(console, "Last words", _words(seen))
    _section(console, "Public words that wait for a yes", _held(seen))
    _section(console, "Public words that were never published: it ended before a yes", _unpublished(seen))
    _section(console, "Drafts of the engine, not said", _drafts(seen))
    _section(console, "After-action", _after(seen))
    shown = seen.timeline if everything else seen.timeline[-TAIL:]
    left = len(seen.timeline) - len(shown)
    title = (
        f"Timeline (the last {len(shown)} of {len(seen.timeline)}; all with --all)" if left else "Timeline"
    )
    _section(console, title, (moment(each, seen.as_of) for each in shown), hang=10)


def waiting(console: Console, seen: Picture) -> None:
    """What the incident waits for, each with the command to type; or that it has ended."""
    if seen.phase in ENDS:
        into = f" into {plain(seen.merged_into)}" if seen.merged_into else ""
        say(console, Text(f"The incident is {seen.phase}{into}. Nothing is waited for.", style=GOOD))
        for word in seen.unpublished:
            never = f"! Never published: the public word {word.digest[:12]} of {plain(word.by)}; nobody had said yes"
            say(console, Text(never, style=BAD), indent=2)
        return
    if not seen.waiting:
        say(console, Text("Nothing is waited for now: the engine goes on by itself."))
        return
    say(console, Text("Waiting for", style="bold"))
    for each in seen.waiting:
        say(console, _waits(each, seen.as_of), indent=2)
        if each.command:
            command(console, each.command)
    for words in dict.fromkeys(words for plan in seen.plans for words in plan.law):
        say(console, Text(f"! {plain(words, 600)}", style=BAD), indent=2)
    for plan in seen.plans:
        if plan.conflicts:
            say(
                console,
                Text(f"! {plain(plan.step)} conflicts: {plain(plan.conflicts[0], 600)}", style=BAD),
                indent=2,
            )
    if seen.plans:
        say(
            console,
            Text("Before you decide, see the cost and the way back: add --plan.", style=DIM),
            indent=2,
        )


def command(console: Console, text: str) -> None:
    """A command to type, on a line of its own that is never broken."""
    line = Text.assemble("      ", (f"$ {plain(text)}", "bold cyan"))
    console.print(line, soft_wrap=True)


def moment(each: Moment, now: datetime) -> Text:
    """One line of the timeline."""
    return Text.assemble((f"{clock(each.at, now)}  ", DIM), plain(each.text, 600))


def _head(console: Console, seen: Picture) -> None:
    say(console, Text.assemble((plain(seen.incident), "bold"), f"  {plain(seen.title)}"))
    severity, proposed = str(seen.severity or "not declared"), seen.proposal.severity
    if proposed is not seen.severity:
        severity += f" ({proposed} proposed)"
    captain = plain(seen.captain) if seen.captain else "NOBODY"
    scribe = plain(seen.scribe) if seen.scribe else "nobody"
    offered = f" (offered to {plain(seen.offered_to)})" if seen.offered_to else ""
    say(
        console,
        Text.assemble(
            ("phase ", DIM), (str(seen.phase), "bold"), (" | severity ", DIM), (severity, "bold"),
            (" | captain ", DIM), (captain, "bold" if seen.captain else BAD), offered,
            (" | scribe ", DIM), scribe,
        ),
    )  # fmt: skip
    until = seen.ended_at or seen.as_of
    say(
        console,
        Text(
            f"open since {clock(seen.opened_at, seen.as_of)} ({show_duration(until - seen.opened_at)}), "
            f"times in {zone(seen.as_of)}; runbook {plain(seen.runbook)}: {plain('; '.join(seen.matched), SHORT)}"
        ),
    )
    for line in seen.recalled:
        say(console, Text(plain(line, 600), style=BAD))
    if seen.severity is None and seen.guidance and seen.phase not in ENDS:
        say(console, Text.assemble(("how bad? ", ASK), plain(seen.guidance, 600)))
    for rung in seen.alarms:
        often = f" ({rung.often})" if rung.times > 1 else ""
        what = f"alarm {rung.alarm.status}: {plain(rung.alarm.name)}{often}: {plain(rung.alarm.summary, 600)}"
        say(console, Text(what))
        if rung.flapping:
            say(console, Text(f"{plain(rung.alarm.name)} {rung.flapping}", style=ASK))
    if seen.beyond:
        say(console, Text(f"other alarms, such as {plain(seen.beyond.alarm.name)}: {seen.beyond.often}"))


def _severity(seen: Picture) -> Iterator[Text]:
    """How it came to be as grave as it is, once there is more to say than in the head."""
    for each in seen.declarations:
        yield Text(
            f"{clock(each.at, seen.as_of)} {each.by} {each.verb} {each.now}: {plain(each.reason, SHORT)}"
        )
    if seen.severity is None or seen.proposal.severity is not seen.severity:
        since = f"{seen.proposal.severity} is proposed since {clock(seen.proposed_since, seen.as_of)}"
        yield Text(f"{since}: {plain('; '.join(seen.proposal.reasons), 600)}")


def _note(each: Entry, now: datetime) -> Text:
    """A note with its number, its author, and who stands for it by name."""
    later = f" at {clock(each.at, now)}" if each.at < each.written_at else ""
    said = [f"{each.by}{later}"]
    for voucher in each.stands_for_it:
        if voucher.reason:
            done = "stands for it" if voucher.holds else "refuted it"
            said.append(f"{voucher.by} {done}: {plain(voucher.reason, SHORT)}")
    cause = " [the cause]" if each.cause and each.standing == "fact" else ""
    struck = DIM + " strike" if each.standing == "refuted" else ""
    return Text.assemble(f"{each.number}. ", (plain(each.text), struck), f"{cause} ({'; '.join(said)})")


def _waits(each: Waiting, now: datetime) -> Text:
    due = f", due {clock(each.due, now)} ({towards(each.due, now)})" if each.due else ""
    late = each.due is not None and now >= each.due
    return Text.assemble(
        ("> ", ASK), (plain(each.what, 600), "bold"), f"  [{plain(each.who)}{due}]", style=BAD if late else ""
    )


def _milestone(each: Deadline, seen: Picture) -> Text:
    took = f"{show_duration(each.met_at - seen.opened_at)} after the bell" if each.met_at else ""
    if each.met_at and not each.missed:
        return Text.assemble(("met     ", GOOD), f"{each.milestone}, {took}")
    if each.met_at:
        return Text.assemble(
            ("LATE    ", BAD), f"{each.milestone}, {took}; due {clock(each.due, seen.as_of)}"
        )
    if each.missed:
        return Text.assemble(("MISSED  ", BAD), f"{each.milestone}, due {clock(each.due, seen.as_of)}")
    if seen.phase in ENDS:
        return Text(f"not met {each.milestone}", style=DIM)
    return Text(f"due     {each.milestone}, {towards(each.due, seen.as_of)}")


def _firebreak(each: Firebreak, seen: Picture) -> Iterator[Text]:
    action = each.action
    yield Text.assemble(
        (plain(action.lever), "bold"),
        f" {plain(action.origin, SHORT)} -> {plain(action.to, SHORT)}  ",
        (str(each.state), STATES.get(each.state, "")),
        f"  {each.digest[:12]}",
    )
    word = {
        "captain": f"decided by {', '.join(map(_by, each.decisions))}",
        "preauthorized": "pre-authorized by the runbook",
        "absence": "nobody decided, and the runbook says to do it",
    }
    said = [word.get(each.authority or "", "")]
    if each.compensating and each.state not in LEASE_ENDED:
        said.append("its way back is under way")
    if each.state in HOLDING and each.expires_at:
        said.append(f"expires {clock(each.expires_at, seen.as_of)} ({towards(each.expires_at, seen.as_of)})")
    if each.state is Lease.PROPOSED:
        said.append(f"decide by {clock(each.decide_by, seen.as_of)} ({towards(each.decide_by, seen.as_of)})")
    if each.lift_wanted_by and each.state not in LEASE_ENDED:
        said.append(f"lift asked by {plain(each.lift_wanted_by)}")
    if each.trouble:
        said.append(plain(each.trouble, SHORT))
    told = "; ".join(filter(None, said))
    if told:
        yield Text(f"  {told}")


def _by(each: Decided) -> str:
    return f"{each.by} (signed)" if each.signed else each.by


def _evidence(seen: Picture) -> Iterator[Text]:
    for file in attached(seen):
        told = f"{plain(file.name, 200)}, {file.size:,} bytes, which {file.by} rang with"
        yield Text(f"file    {told}: firestation evidence show {seen.incident} {file.digest[:12]}")
    sealed = seen.sealed
    if sealed is None:
        yield Text("not sealed yet: no lever moves before it is", style=ASK)
        return
    held = f"{len(sealed.artifacts)} artifacts, {len(sealed.levers)} levers"
    yield Text.assemble(("sealed  ", GOOD), f"manifest {sealed.manifest[:12]}: {held}")
    for gap in sealed.gaps:
        word = ("GAP !   ", BAD) if gap.item in seen.needs else ("gap     ", ASK)
        needed = ", which this runbook needs" if gap.item in seen.needs else ""
        yield Text.assemble(word, f"{plain(gap.item)}{needed}: {gap.reason}: {plain(gap.detail, SHORT)}")
    for doubt in seen.recall.doubts if seen.recall else ():
        yield Text.assemble(("doubt ! ", BAD), f"{plain(doubt.name)}: {plain(doubt.why, SHORT)}")
    for reading in seen.baseline:
        yield Text(f"before  {plain(reading.check)} {reading.verdict}: {plain(reading.detail, SHORT)}")


def _words(seen: Picture) -> Iterator[Text]:
    for audience in ("internal", "public"):
        last: Word | None = next((word for word in reversed(seen.words) if word.audience == audience), None)
        if last is None:
            yield Text(f"{audience}: nothing was said yet", style=DIM)
            continue
        by = plain(last.by) if last.by else "the engine"
        also = f", released by {plain(last.released_by)}" if last.released_by else ""
        yield Text(f"{audience}, {clock(last.at, seen.as_of)} by {by}{also}:")
        yield from _said(last)
        due = seen.next_word if audience == "internal" else seen.next_public_word
        if due and seen.phase not in ENDS:
            late = any(each.audience == audience for each in seen.overdue_words)
            yield Text(f"  next word {towards(due, seen.as_of)}", style=BAD if late else "")


def _said(word: Word | WordDraft) -> Iterator[Text]:
    parts = {"known": word.known, "not known": word.unknown, "being done": word.doing}
    yield from (Text(f"  {name}: {plain(text, 600)}") for name, text in parts.items() if text)


def _held(seen: Picture) -> Iterator[Text]:
    """Each whole: what is released is exactly this."""
    for each in seen.held:
        who = " or ".join(each.who) or "a comms owner or a captain"
        yield Text(
            f"by {plain(each.by)} at {clock(each.since, seen.as_of)}, waits for {plain(who)}:", style=ASK
        )
        yield from _whole(each)


def _unpublished(seen: Picture) -> Iterator[Text]:
    for each in seen.unpublished:
        yield Text(f"by {plain(each.by)} at {clock(each.since, seen.as_of)}:", style=BAD)
        yield from _whole(each)


def _whole(word: Pending) -> Iterator[Text]:
    parts = {"known": word.known, "not known": word.unknown, "being done": word.doing}
    yield from (Text(f"  {name}: {plain(text, 4000)}") for name, text in parts.items() if text)
    yield Text(f"  digest {word.digest}")


def _drafts(seen: Picture) -> Iterator[Text]:
    for each in seen.drafts:
        yield Text(f"to {TO[each.audience]}, due {towards(each.due, seen.as_of)}:")
        yield from _said(each)


def _after(seen: Picture) -> Iterator[Text]:
    if seen.restored_at:
        yield Text(f"restored at {clock(seen.restored_at, seen.as_of)}")
    for waiver in seen.waivers:
        until = f" until {clock(waiver.until, seen.as_of)}" if waiver.until else ""
        also = f", seconded by {waiver.seconded_by}" if waiver.seconded_by else ""
        yield Text(
            f"{waiver.what} waived by {waiver.by}{also}{until}: {plain(waiver.reason, SHORT)}", style=ASK
        )
    said = seen.attestation
    if said:
        also = f", seconded by {said.seconded_by}" if said.seconded_by else ""
        until = f"to be looked at again by {clock(said.verify_by, seen.as_of)}"
        what = f"{plain(said.change, SHORT)} ({plain(said.reference, SHORT)}), {until}"
        yield Text(f"lock attested by {said.by}{also}: {what}", style=ASK)
    if seen.second:
        yield Text.assemble(("MISSING  ", BAD), plain(seen.second.missing(), SHORT))
    yield from _left(seen)


def _left(seen: Picture) -> Iterator[Text]:
    """The tasks, the postmortem, the lock and its place on the wall."""
    for ticket in seen.tickets:
        yield Text(f"{ticket.kind} task: {plain(ticket.reference)}")
    if seen.tickets:
        yield Text(f"until they are done: firestation tasks {seen.incident}", style=DIM)
    if seen.postmortem:
        yield Text(f"postmortem {seen.postmortem.digest[:12]}: {plain(seen.postmortem.name)}")
    if seen.lock:
        word = ("proved  ", GOOD) if seen.lock_proved else ("NOT PROVED  ", BAD)
        said = f"{seen.lock_lacks}; {seen.lock.verdict}" if seen.lock_lacks else seen.lock.verdict
        yield Text.assemble("lock ", word, plain(said, SHORT))
    if seen.wall_trouble:
        yield Text.assemble(("trouble ", BAD), f"the wall of locks: {plain(seen.wall_trouble, SHORT)}")
    for step, detail in seen.trouble.items():
        yield Text.assemble(("trouble ", BAD), f"{plain(step)}: {plain(detail, SHORT)}")


def _section(console: Console, title: str, lines: Iterable[Text], hang: int = 2) -> None:
    found = list(lines)
    if found:
        console.print()
        say(console, Text(title, style="bold"))
    for line in found:
        say(console, line, indent=2, hang=hang)


def say(console: Console, text: Text, indent: int = 0, hang: int = 2) -> None:
    """Print a text in lines that fit, each but the first `hang` further in."""
    room = max(20, console.width - indent)
    first, *rest = text.wrap(console, room)
    for line in rest:
        line.rstrip()
    lines = [first, *Text(" ").join(rest).wrap(console, max(20, room - hang))] if rest else [first]
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text.assemble(" " * (indent + (hang if number else 0)), line), soft_wrap=True)
