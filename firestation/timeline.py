"""The timeline: each event of the record as one sentence that a tired person reads once."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from firestation import acts, record
from firestation.acts import Act
from firestation.alarm import Tally
from firestation.board import TO
from firestation.model import Line, Model, Text, Time, count
from firestation.record import Event, Record
from firestation.severity import WORDS, Severity, declares
from firestation.wall import WallLock

LONGEST = 4000
"""Characters of a line; no text of a record is longer."""


class Moment(Model):
    """One line of the timeline: what happened then. What was written down later says so."""

    at: Time
    kind: Line
    text: Text


def moments(events: Record, besides: Callable[[Event], str] = lambda _: "") -> tuple[Moment, ...]:
    """The whole record, in the order in which it happened. `besides` is what is to be added to an event's sentence."""
    told = [
        Moment(at=happened_at(event), kind=event.kind, text=text)
        for event, text in sentences(events, besides)
    ]
    return tuple(sorted(told, key=lambda moment: moment.at))


def sentences(
    events: Iterable[Event], besides: Callable[[Event], str] = lambda _: ""
) -> Iterator[tuple[Event, str]]:
    """Each event with its sentence, in the order of the record."""
    declared = None
    for event in events:
        more = besides(event)
        yield event, f"{tell(event, declared)[: LONGEST - len(more)]}{more}"
        if isinstance(event, record.Acted) and isinstance(event.act, acts.Declare):
            declared = event.act.severity


def happened_at(event: Event) -> datetime:
    """When it happened: a note may have been written down later."""
    if isinstance(event, record.Acted) and isinstance(event.act, acts.Note):
        return min(event.act.at or event.at, event.at)
    return event.at


def tell(event: Event, declared: Severity | None = None) -> str:
    """One event as one sentence. `declared` is the severity that was declared before it."""
    return _tell(event, declared)[:LONGEST]


def _often(tally: Tally | None) -> str:
    """That an alarm rang more than once before it was told."""
    if tally is None or tally.times == 1:
        return ""
    turned = f", {count(tally.changes, 'change')}" if tally.changes else ""
    others = " with others" if tally.others else ""
    return (
        f" ({tally.times:,} times{others}, {tally.first_at:%H:%M:%S} to {tally.last_at:%H:%M:%S} UTC{turned})"
    )


def _tell(event: Event, declared: Severity | None) -> str:  # noqa: C901, PLR0912 - one short sentence for each kind of event
    match event:
        case record.Opened():
            why = "; ".join(event.brief.matched)
            return f"opened for {event.brief.title} with the runbook {event.brief.runbook.runbook} ({why})"
        case record.Rang():
            return (
                f"alarm {event.alarm.status}{_often(event.tally)}: {event.alarm.name}: {event.alarm.summary}"
            )
        case record.Acted():
            later = f", written down {event.at:%H:%M:%S} UTC" if happened_at(event) < event.at else ""
            return _tell_act(event.act, later, declared)
        case record.TurnedAway():
            rule = f"rule {event.rule}: " if event.rule else ""
            return f"{event.by} was refused {event.act}: {rule}{event.missing}"
        case record.Sent():
            return f"{event.message.purpose} sent through {event.receipt.channel}: {event.message.title}"
        case record.Unsent():
            by = event.key.rpartition("/")[2]
            return f"{event.message.purpose} by {by} could not be sent: {event.detail}"
        case record.Paged():
            return f"page {event.step} to {event.person}"
        case record.Unreached():
            return f"page {event.step} reached nobody: there was no way to {event.person}"
        case record.Silent():
            return f"{event.person} has said nothing since {event.since:%H:%M:%S} UTC: asked whether they are there"
        case record.Relieved():
            return f"{event.person} is relieved as captain: silent since {event.since:%H:%M:%S} UTC"
        case record.Said():
            late = ", for a person's that is overdue" if event.word.overdue else ""
            return f"the engine's word{late}: {event.word.known}"
        case record.WordDrafted() | record.WordOverdue():
            return _tell_word(event)
        case record.Measured():
            return f"before any move, {event.reading.check} {event.reading.verdict}: {event.reading.detail}"
        case record.SealedUp() | record.Supplemented():
            sealed = event.sealed
            parts = {"artifact": sealed.artifacts, "lever": sealed.levers, "gap": sealed.gaps}
            if sealed.supplements:
                parts.pop("lever")
            held = ", ".join(count(len(what), name) for name, what in parts.items())
            what = "late evidence sealed: supplement" if sealed.supplements else "evidence sealed: manifest"
            return f"{what} {sealed.manifest[:12]}, {held}"
        case record.NotSealed():
            return f"the snapshot could not be sealed: {event.detail}"
        case record.Soaked():
            return f"soak {'held' if event.report.held else 'broken'}: {event.report.detail}"
        case record.Missed():
            return f"overdue: {event.milestone}"
        case record.Reminded():
            word = "has started" if event.number == 1 else f"runs, reminder {event.number}"
            return f"the legal clock {event.clock} for {event.cause} {word}"
        case record.Overdue():
            return f"the legal clock {event.clock} for {event.cause} is over, and no authority is informed"
        case record.Drafted():
            return f"postmortem drafted: {event.artifact.digest[:12]}"
        case record.TaskOpened():
            return f"{event.ticket.kind} task opened: {event.ticket.reference}"
        case record.LockTried():
            return f"lock {'proved' if event.proved else 'not proved'}: {event.verdict}"
        case record.Failed():
            return f"{event.step} failed: {event.detail}"
        case record.Recalled() | record.NotRecalled() | record.Hung() | record.NotHung():
            return _tell_wall(event)
        case _:
            return _tell_lever(event)


def _tell_word(event: record.WordDrafted | record.WordOverdue) -> str:
    if isinstance(event, record.WordDrafted):
        draft = event.draft
        return f"a word to {TO[draft.audience]} is drafted, due by {draft.due:%H:%M:%S} UTC: {draft.known}"
    again = f", asked {event.times} times" if event.times > 1 else ""
    return f"overdue: the word to {TO[event.audience]}, due by {event.due:%Y-%m-%d %H:%M:%S} UTC{again}"


def _tell_wall(event: record.Recalled | record.NotRecalled | record.Hung | record.NotHung) -> str:
    match event:
        case record.Recalled():
            recall = event.recall
            told = [
                f"{'no lock' if each.how == 'waived' else 'lock broken'}: {each.told()}"
                for each in recall.locks
            ]
            told += [f"not believed: {each.name}: {each.why}" for each in recall.doubts]
            told += [f"and {recall.more} older locks"] if recall.more else []
            return "; ".join(told) or f"no lock of the class {recall.pattern} hangs on the wall"
        case record.NotRecalled():
            return f"the wall of locks could not be asked: {event.detail}"
        case record.Hung():
            entry = event.hanging.entry
            if isinstance(entry, WallLock):
                return f"hung on the wall of locks: {entry.told()} ({event.hanging.name})"
            back = "" if entry.holds else "taken back: "
            return f"hung on the wall of locks: {back}the lock of {entry.of} is broken ({event.hanging.name})"
        case record.NotHung():
            return f"not hung on the wall of locks: {event.detail}"


def _tell_lever(event: Event) -> str:  # noqa: C901, PLR0912 - the same, of the runbook's steps and their levers
    match event:
        case record.LeverRead():
            again = " anew" if event.action else ""
            return f"lever {event.lever} read{again}: {event.position or event.detail}"
        case record.Proposed():
            action = event.action
            word = "pre-authorized by the runbook" if event.preauthorized else "put before the captain"
            return f"{word}: {action.lever} from {action.origin} to {action.to} ({action.sha256()[:12]})"
        case record.Skipped():
            return f"step {event.step} skipped: {event.reason}"
        case record.Lapsed():
            then = {
                "deny": "",
                "apply": "; it is done",
                "escalate": "; the next one is asked",
                "keep": "; it waits",
            }
            return f"nobody decided on {event.action[:12]} in time{then[event.then]}"
        case record.Leased():
            if event.holder:
                return f"{event.lever}: held by {event.holder}"
            freed = f"{event.freed_at:%Y-%m-%d %H:%M:%S} UTC" if event.freed_at else None
            before = f"; another incident let go of it at {freed}" if freed else ""
            return f"{event.lever}: leased to this incident{before}"
        case record.Released():
            return f"{event.lever}: free for other incidents"
        case record.Called():
            return f"manual step {event.step} is due" + (
                f", asked {event.times} times" if event.times > 1 else ""
            )
        case record.Asked():
            return f"firebreak {event.action[:12]} expires soon: the captain is asked"
        case record.Ordered():
            order = event.order
            return f"{order.purpose} {order.action.lever} to {order.to} on the word of: {order.authority}"
        case record.Moved():
            order = event.order
            return f"{order.purpose} of {order.action.lever}: {event.outcome.result}: {event.outcome.detail}"
        case record.Probed():
            return f"probe {event.reading.check} {event.reading.verdict}: {event.reading.detail}"
        case record.Expired():
            return f"firebreak {event.action[:12]} expired: {event.then}"
        case _:
            raise TypeError(event.kind)


def _tell_act(act: Act, later: str, declared: Severity | None) -> str:  # noqa: C901, PLR0912 - one short sentence for each kind of act
    match act:
        case acts.Acknowledge():
            by = f", by the link of page {act.page}" if act.page else ""
            return f"{act.by} takes it as {act.role}{by}"
        case acts.Declare():
            return f"{act.by} {declares(declared, act.severity)} {act.severity}: {act.reason}"
        case acts.Assess():
            said = ", ".join(f"{axis} {grade} ({WORDS[axis][grade]})" for axis, grade in act.grades.items())
            return f"{act.by} says how bad it is: {said}: {act.reason}"
        case acts.Propose():
            return f"{act.by} asks for {act.step} to be put before the captain again"
        case acts.Approve():
            return f"{act.by} approves {act.action[:12]}{_because(act.reason)}"
        case acts.Refuse():
            return f"{act.by} refuses {act.action[:12]}{_because(act.reason)}"
        case acts.Note():
            return f"{act.by} notes {'the cause, ' if act.cause else ''}a {act.standing}{later}: {act.text}"
        case acts.Establish():
            done = "stands for" if act.holds else "refutes"
            how = ", the cause" if act.cause else " as a fact" if act.holds else ""
            return f"{act.by} {done} note {act.entry}{how}: {act.reason}"
        case acts.Update():
            more = {"Not known": act.unknown, "Being done": act.doing}
            said = "".join(f" {name}: {text}" for name, text in more.items() if text)
            return f"{act.by} tells {TO[act.audience]}: {act.known}{said}"
        case acts.Release():
            return f"{act.by} lets the public word {act.word[:12]} go out"
        case acts.Withhold():
            return f"{act.by} withholds the public word {act.word[:12]}{_because(act.reason)}"
        case acts.Handover():
            return f"{act.by} offers the captaincy to {act.to}"
        case acts.Accept():
            return f"{act.by} takes the captaincy that was offered"
        case acts.Decline():
            return f"{act.by} does not take the captaincy{_because(act.reason)}"
        case acts.Renounce():
            return f"{act.by} lays down the role {act.role}{_because(act.reason)}"
        case acts.Lift():
            return f"{act.by} has {act.action[:12]} lifted{_because(act.reason)}"
        case acts.Adopt():
            return f"{act.by} keeps {act.action[:12]} for good{_because(act.reason)}"
        case acts.Extend():
            return f"{act.by} holds {act.action[:12]} for another span{_because(act.reason)}"
        case acts.Stop():
            return f"{act.by} stops everything{_because(act.reason)}"
        case acts.Switch():
            return f"{act.by} goes on by the runbook {act.to}{_because(act.reason)}"
        case acts.Confirm():
            done = "has done" if act.done else "could not do"
            return f"{act.by} {done} {act.step}{_because(act.note)}"
        case acts.Waive():
            until = f" until {act.until:%Y-%m-%d}" if act.until else ""
            return f"{act.by} waives the {act.what}{until}{_because(act.reason)}"
        case acts.Attest():
            until = f"{act.verify_by:%Y-%m-%d}"
            document = f", SHA-256 {act.document[:12]}" if act.document else ""
            return f"{act.by} attests: {act.change} ({act.reference}{document}), to be looked at again by {until}"
        case acts.Second():
            return f"{act.by} stands for it as the second person{_because(act.reason)}"
        case acts.Categorize():
            aware = f", known since {act.aware_at:%Y-%m-%d %H:%M:%S} UTC" if act.aware_at else ""
            return f"{act.by} says that it is {act.category}{aware}{_because(act.reason)}"
        case acts.Withdraw():
            return f"{act.by} withdraws that it is {act.category}{_because(act.reason)}"
        case acts.Inform():
            when = f" at {act.at:%Y-%m-%d %H:%M:%S} UTC" if act.at else ""
            whom = act.authority or "the authority"
            return f"{act.by} records that {whom} was informed{when} ({act.clock}): {act.reference}"
        case acts.Prove():
            return f"{act.by} has the lock tried again"
        case acts.Dismiss():
            return f"{act.by} dismisses it as no fire{_because(act.reason)}"
        case acts.Merge():
            return f"{act.by} merges it into {act.into}{_because(act.reason)}"
        case acts.Close():
            return f"{act.by} closes the incident"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
