"""What people do in an incident, one command an act, in the order in which an incident needs them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.decisions import sign_fields
from cli.desk import As, Desk, Incident, Json, Reason
from cli.locks import attest, second
from cli.notes import establish, note
from cli.perform import digest, drafted_words, perform, ready_words, until
from cli.plans import show_plan
from cli.roles import accept, ack, decline, handover, renounce
from firestation.errors import InvalidInput
from firestation.severity import Severity

TAKE = "1. Take it"
CONTAIN = "2. Contain it"
TELL = "3. Tell what is known"
END = "4. End it"
HAND = "Hand it over, or say that it is none"

Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="The action's digest, or its first 8 characters or more.")
]
WordDigest = Annotated[
    str,
    typer.Argument(metavar="DIGEST", help="The waiting word's digest, or its first 8 characters or more."),
]
Sign = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="Sign it with your SSH key: the private key's file, or the .pub file of one that the ssh-agent holds.",
    ),
]


Grade = Annotated[int | None, typer.Option(min=0, max=3, help="From 0 (mild) to 3 (grave).")]


class Waivable(StrEnum):
    """What a captain may do without."""

    SNAPSHOT = "snapshot"
    LOCK = "lock"


def declare(
    ctx: typer.Context,
    incident: Incident,
    severity: Annotated[Severity, typer.Argument(help="From sev1, the worst, to sev4.")],
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say how bad it is, raise it or lower it. The engine proposes, the captain declares.

    What is proposed may change later: declare that, or declare what stands already, and say why.

    Example:
      firestation declare refund-agent-1a2b3c4d sev2 --reason 'money is going out'

    Next: the engine puts the runbook's firebreaks before you; words, clock and paging go by the severity from now on.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "declare", severity=severity, reason=reason)


def assess(
    ctx: typer.Context,
    incident: Incident,
    *,
    harm: Grade = None,
    spread: Grade = None,
    reversibility: Grade = None,
    momentum: Grade = None,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say how bad it looks now, on one axis or more, from 0 (mild) to 3 (grave). Anybody may; the captain declares.

    harm: nobody is harmed, annoyance, money or trust or rights are lost, people are in danger.
    spread: one user, some users, many users or a tenant, everyone.
    reversibility: undone by itself, undone by us, undone with effort, cannot be undone.
    momentum: over, steady, growing, growing fast.

    Example:
      firestation assess refund-agent-1a2b3c4d --spread 3 --momentum 3 --reason 'all tenants, and more each minute'

    Next: the engine weighs it again; when that is graver than what is declared, the captain is told.
    """
    said = {"harm": harm, "spread": spread, "reversibility": reversibility, "momentum": momentum}
    if not any(grade is not None for grade in said.values()):
        fix = f"Give at least one of {', '.join(f'--{axis}' for axis in said)}, each from 0 to 3"
        raise InvalidInput("--harm", "no axis is given", fix)
    perform(Desk.of(ctx, who, as_json=as_json), incident, "assess", **said, reason=reason)


def propose(
    ctx: typer.Context,
    incident: Incident,
    step: Annotated[str, typer.Argument(help="The id of a firebreak in the incident's runbook.")],
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Have a firebreak of the runbook put before you again.

    Example:
      firestation propose refund-agent-1a2b3c4d reranker-on

    Next: the engine reads the lever and asks for a decision on the exact move.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "propose", step=step)


def approve(
    ctx: typer.Context,
    incident: Incident,
    action: Digest,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, if you want to say.")
    ] = None,
    sign: Sign = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only show what it would do, for whom, at what cost. Touches nothing."),
    ] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Decide that exactly this action is done.

    Example:
      firestation approve refund-agent-1a2b3c4d 9f8e7d6c5b4a --plan
      firestation approve refund-agent-1a2b3c4d 9f8e7d6c5b4a
      firestation approve refund-agent-1a2b3c4d 9f8e7d6c5b4a --sign ~/.ssh/id_ed25519

    Next: the engine moves the lever, reads it back, and probes whether the harm has stopped.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    if plan:
        show_plan(desk, incident, digest(action))
        return
    named = sign_fields(desk, incident, "approve", digest(action), reason=reason, key=sign)
    perform(desk, incident, "approve", **named, reason=reason)


def refuse(
    ctx: typer.Context,
    incident: Incident,
    action: Digest,
    *,
    reason: Reason,
    sign: Sign = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Decide that this action is not done.

    Example:
      firestation refuse refund-agent-1a2b3c4d 9f8e7d6c5b4a --reason 'it would stop all refunds'

    Next: the lever stays where it is; `firestation propose` asks again.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    named = sign_fields(desk, incident, "refuse", digest(action), reason=reason, key=sign)
    perform(desk, incident, "refuse", **named, reason=reason)


def update(
    ctx: typer.Context,
    incident: Incident,
    known: Annotated[
        str | None,
        typer.Argument(
            help="What is known; --draft takes the engine's draft, --prepared the runbook's words."
        ),
    ] = None,
    *,
    draft: Annotated[
        bool,
        typer.Option("--draft", help="Say what the engine has drafted; what you write replaces its part."),
    ] = False,
    prepared: Annotated[
        bool, typer.Option("--prepared", help="Say the words that the runbook has ready for this audience.")
    ] = False,
    unknown: Annotated[
        str | None, typer.Option("--unknown", metavar="TEXT", help="What is not known.")
    ] = None,
    doing: Annotated[str | None, typer.Option("--doing", metavar="TEXT", help="What is being done.")] = None,
    public: Annotated[bool, typer.Option("--public", help="For customers, not for the team.")] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Tell the team, or with --public the customers, what is known.

    Example:
      firestation update refund-agent-1a2b3c4d 'Refunds are paused.' --unknown 'Who was reached.' --public
      firestation update refund-agent-1a2b3c4d --draft
      firestation update refund-agent-1a2b3c4d --prepared --public

    Next: the engine promises the next word by the runbook's cadence, and drafts it before it is due. Where the runbook
    asks for it, a public word waits for the comms owner: `firestation release INCIDENT DIGEST`.
    """
    audience = "public" if public else "internal"
    desk = Desk.of(ctx, who, as_json=as_json)
    if draft:
        made = drafted_words(desk, incident, audience)
        known, unknown, doing = known or made.known, unknown or made.unknown, doing or made.doing
    said = known or (ready_words(desk, incident, audience) if prepared else None)
    if said is None:
        fix = "Write what is known, or use --draft or --prepared"
        raise InvalidInput("known", "there is nothing to say", fix)
    perform(desk, incident, "update", audience=audience, known=said, unknown=unknown, doing=doing)


def release(
    ctx: typer.Context, incident: Incident, word: WordDigest, *, who: As = None, as_json: Json = False
) -> None:
    """Let a public word go out that waits for your yes: exactly the words of this digest. You cannot have written it.

    Example:
      firestation release refund-agent-1a2b3c4d 9f8e7d6c5b4a

    Next: it is said to the public, in its author's words, and the next one is promised.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "release", word=digest(word))


def withhold(
    ctx: typer.Context,
    incident: Incident,
    word: WordDigest,
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that a public word which waits does not go out. Its author may take it back so too.

    Example:
      firestation withhold refund-agent-1a2b3c4d 9f8e7d6c5b4a --reason 'it promises too much'

    Next: its author is told why, and can say it anew with `firestation update INCIDENT '...' --public`.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "withhold", word=digest(word), reason=reason)


def lift(
    ctx: typer.Context,
    incident: Incident,
    action: Digest,
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Put a firebreak's lever back to where it stood.

    Example:
      firestation lift refund-agent-1a2b3c4d 9f8e7d6c5b4a --reason 'the answers are right again'

    Next: the engine puts it back, confirms it, and soaks the recovery checks again.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "lift", action=digest(action), reason=reason)


def adopt(
    ctx: typer.Context,
    incident: Incident,
    action: Digest,
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Keep a firebreak's position for good.

    Example:
      firestation adopt refund-agent-1a2b3c4d 9f8e7d6c5b4a --reason 'this is how it should have stood'

    Next: when every firebreak is lifted or adopted, the lock is proved.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "adopt", action=digest(action), reason=reason)


def extend(
    ctx: typer.Context,
    incident: Incident,
    action: Digest,
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Hold a firebreak for another span, counted from now.

    Example:
      firestation extend refund-agent-1a2b3c4d 9f8e7d6c5b4a --reason 'the repair takes until noon'

    Next: you are asked again before that span is over.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "extend", action=digest(action), reason=reason)


def stop(
    ctx: typer.Context, incident: Incident, *, reason: Reason, who: As = None, as_json: Json = False
) -> None:
    """Stop everything: refuse what is asked, and put back every lever, the newest first.

    Example:
      firestation stop refund-agent-1a2b3c4d --reason 'the cure is worse than the fire'

    Next: each lever goes back and is confirmed; `firestation propose` begins anew.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "stop", reason=reason)


def switch(
    ctx: typer.Context,
    incident: Incident,
    to: Annotated[
        str, typer.Argument(metavar="RUNBOOK", help="A runbook of the wall as it was at the opening.")
    ],
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Go on by another runbook. What holds goes on by its own terms.

    Example:
      firestation switch refund-agent-1a2b3c4d retrieval-poisoning --reason 'the index, not the reranker'

    Next: the engine puts the other runbook's firebreaks before you.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "switch", to=to, reason=reason)


def confirm(
    ctx: typer.Context,
    incident: Incident,
    step: Annotated[str, typer.Argument(help="The id of a manual step in the incident's runbook.")],
    *,
    not_done: Annotated[bool, typer.Option("--not-done", help="It could not be done.")] = False,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="What came of it.")] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that a manual step is done, or could not be.

    Example:
      firestation confirm refund-agent-1a2b3c4d call-support --note 'they read it out'

    Next: steps that come after it, or instead of it, have their turn.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "confirm", step=step, done=not not_done, note=note)


def waive(
    ctx: typer.Context,
    incident: Incident,
    what: Annotated[
        Waivable, typer.Argument(help="The snapshot, while harm spreads; or the lock, until a date.")
    ],
    *,
    reason: Reason,
    by_when: Annotated[
        str | None,
        typer.Option("--until", metavar="WHEN", help="For the lock: 14d, or a date like 2026-01-31."),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Do without the snapshot or the lock, by your name. It stands on the record for ever.

    Example:
      firestation waive refund-agent-1a2b3c4d lock --until 14d --reason 'needs the new golden set'

    Next: without a snapshot the firebreaks can be decided at once. Without a lock the incident can be closed once a
    second person stands for it: `firestation second INCIDENT --reason '...'`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    perform(desk, incident, "waive", what=what, reason=reason, until=until(by_when))


def prove(ctx: typer.Context, incident: Incident, *, who: As = None, as_json: Json = False) -> None:
    """Run the lock again.

    Example:
      firestation prove refund-agent-1a2b3c4d

    Next: it must fail on the frozen evidence and pass on the repaired system; then the incident can be closed.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "prove")


def dismiss(
    ctx: typer.Context, incident: Incident, *, reason: Reason, who: As = None, as_json: Json = False
) -> None:
    """Say that this is no fire.

    Example:
      firestation dismiss refund-agent-1a2b3c4d --reason 'a planned load test'

    Next: the incident ends, on the record; the same alarm opens a new one.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "dismiss", reason=reason)


def merge(
    ctx: typer.Context,
    incident: Incident,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The incident that goes on.")],
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that this is the same fire as another incident.

    Example:
      firestation merge refund-agent-1a2b3c4d refund-agent-5e6f7a8b --reason 'one reranker, two alarms'

    Next: this incident ends, and the other goes on.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "merge", into=into, reason=reason)


def close(ctx: typer.Context, incident: Incident, *, who: As = None, as_json: Json = False) -> None:
    """Close it: every firebreak has ended, recovery is measured, the lock is proved.

    Example:
      firestation close refund-agent-1a2b3c4d

    Next: the postmortem and the lock outlive it; `firestation replay` re-runs its history.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "close")


PANELS = {
    TAKE: (ack, declare, assess),
    CONTAIN: (propose, approve, refuse, confirm, switch, stop),
    TELL: (note, establish, update, release, withhold),
    END: (lift, adopt, extend, waive, attest, second, prove, close),
    HAND: (handover, accept, decline, renounce, dismiss, merge),
}
"""Every act under the heading that it has in the help."""
