"""The forms of the incident's page: one for each act, with its fields, and back from what was sent to the act.

A form is drawn where its act makes sense (`gateway.may`). What was refused is drawn again with what was typed.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from firestation.acts import Act
from firestation.errors import InvalidInput
from firestation.model import canonical_json
from firestation.picture import Picture
from firestation.severity import AXES, WORDS, Severity
from gateway.acting import act_of, model_of
from gateway.may import May

KEY, SUBJECT = "key", "subject"
GOOD_KEY = re.compile(r"[0-9a-f]{16,32}")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
SHORT = 12
SUBJECTS = {
    "acknowledge": "role",
    "renounce": "role",
    "approve": "action",
    "refuse": "action",
    "lift": "action",
    "adopt": "action",
    "extend": "action",
    "establish": "entry",
    "confirm": "step",
    "propose": "step",
    "inform": "clock",
    "withdraw": "category",
    "waive": "what",
    "release": "word",
    "withhold": "word",
}
"""The field of each act that the form does not ask for: it says of what the form is."""


class Field(NamedTuple):
    """One field. `options` are values with their words; `value` is what was typed, or what is proposed."""

    name: str
    label: str
    kind: Literal["text", "line", "choice", "check", "day", "minute"] = "text"
    required: bool = True
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()
    value: str = ""


class Form(NamedTuple):
    """One form, as the page shows it. `wrong` is why it was refused; `danger` says that it cannot be taken back.

    `warning` is what else follows from it.
    """

    act: str
    subject: str
    id: str
    button: str
    fields: tuple[Field, ...]
    key: str
    danger: bool = False
    wrong: "Wrong | None" = None
    warning: str = ""


class Wrong(NamedTuple):
    """A refusal: of which rule (0 is none), its title, and what is missing; `field` where one is wrong."""

    title: str
    missing: str
    rule: int = 0
    field: str = ""


class Sent(NamedTuple):
    """What somebody sent."""

    act: str
    subject: str
    fields: Mapping[str, str]


class Asked(NamedTuple):
    """For what a form's fields are made: the picture, what the form is of, who looks, and who could be captain."""

    seen: Picture
    subject: str
    person: str
    captains: Mapping[str, str]


REASON = Field("reason", "Why")
BUTTONS = {
    "acknowledge": "Take it: I am the {subject}",
    "declare": "Declare",
    "assess": "Say how it looks",
    "propose": "Put it to me again",
    "approve": "Approve {short}",
    "refuse": "Refuse {short}",
    "note": "Note it",
    "establish": "Say so",
    "update": "Send this word",
    "release": "Let {short} go out: say exactly this",
    "withhold": "Withhold {short}",
    "handover": "Offer the captaincy",
    "accept": "Accept: I am the captain",
    "decline": "Decline",
    "renounce": "Lay down the role {subject}",
    "lift": "Lift {short}: put it back",
    "adopt": "Adopt {short} for good",
    "extend": "Extend {short}",
    "stop": "Stop everything",
    "switch": "Go on by this runbook",
    "confirm": "Confirm",
    "waive": "Waive the {subject}",
    "attest": "Attest",
    "second": "I stand for it too",
    "categorize": "Start its legal clocks",
    "withdraw": "Withdraw {subject}",
    "inform": "The authority was informed",
    "prove": "Run the lock again",
    "dismiss": "Dismiss: this is no fire",
    "merge": "Merge",
    "close": "Close the incident",
}
ENDING = frozenset({"close", "dismiss", "merge"})
DANGER = frozenset({"stop", "dismiss", "merge", "waive", "adopt"})


def form_id(act: str, subject: str = "") -> str:
    """The id of a form on the page, so that links lead to it."""
    return f"{act}-{subject[:SHORT]}" if subject else act


def draw(
    seen: Picture,
    may: Iterable[May],
    person: str,
    captains: Mapping[str, str],
    sent: "Refused | None" = None,
) -> dict[str, Form]:
    """Each form by its id. `captains` are the people to whom the captaincy can be offered, by id with their names."""
    found = {}
    for act, subject in may:
        id_ = form_id(act, subject)
        ours = sent if sent and (sent.sent.act, sent.sent.subject) == (act, subject) else None
        typed = ours.sent.fields if ours else {}
        fields = tuple(
            each._replace(value=typed.get(each.name, "" if typed else each.value))
            for each in _fields(act, Asked(seen, subject, person, captains))
        )
        button = BUTTONS[act].format(subject=subject, short=subject[:SHORT])
        wrong, key = (ours.wrong, ours.key) if ours else (None, "")
        warning = _never_said(seen) if act in ENDING else ""
        found[id_] = Form(
            act, subject, id_, button, fields, key or os.urandom(12).hex(), act in DANGER, wrong, warning
        )
    return found


class Refused(NamedTuple):
    """What was sent, why it was refused, and the key under which it may be sent again (empty: a new one)."""

    sent: Sent
    wrong: Wrong
    key: str = ""


def read(kind: str, given: Mapping[str, str], person: str) -> tuple[Act, str, Sent]:
    """The act that was sent, the key under which it is done once, and what was sent. Raises `InvalidInput`.

    The key is made of the form's own and of what was typed: sent twice it is done once, and what was typed anew on an
    old page is another act.
    """
    sent = sent_of(kind, given)
    model, fields = model_of(kind), dict(sent.fields)
    if kind in SUBJECTS:
        fields[SUBJECTS[kind]] = sent.subject
    unknown = sorted(set(fields) - (set(model.model_fields) - {"kind", "by", "signed", "page"}))
    if unknown:
        raise InvalidInput(unknown[0][:40], "the form has no such field", "Send the form as the page has it")
    values: dict[str, Any] = {name: in_utc(value.strip()) for name, value in fields.items() if value.strip()}
    act = act_of({"kind": kind, "by": person, **values}, model)
    nonce = given.get(KEY, "")
    if not GOOD_KEY.fullmatch(nonce):
        raise InvalidInput(KEY, "the form's own key is missing", "Send the form as the page has it")
    digest = hashlib.sha256(canonical_json(act.model_dump(mode="json"))).hexdigest()
    return act, f"{kind}/{person}/{nonce}-{digest[:24]}", sent


def sent_of(kind: str, given: Mapping[str, str]) -> Sent:
    """What was sent, without what the form brings of its own; lines end as they do here."""
    typed = {name: value.replace("\r\n", "\n") for name, value in given.items() if name not in {KEY, SUBJECT}}
    return Sent(kind, given.get(SUBJECT, ""), typed)


def in_utc(value: str) -> str:
    """What a browser's fields for a day or a minute give has no zone; their labels say UTC."""
    if DAY.fullmatch(value):
        return f"{value}T00:00:00Z"
    return f"{value}Z" if MINUTE.fullmatch(value) else value


def _never_said(seen: Picture) -> str:
    """What the end of the incident makes of the public words that wait for a yes."""
    words = ", ".join(f"{each.digest[:SHORT]} of {each.by}" for each in seen.held)
    return f"Never published then: the public word {words}. Release or withhold it first." if words else ""


def _fields(act: str, asked: Asked) -> Iterable[Field]:
    """The fields of the form of this act."""
    make = MADE.get(act)
    return make(asked) if make else FIELDS.get(act, (REASON,))


def _declare(asked: Asked) -> Iterable[Field]:
    proposed = asked.seen.proposal.severity
    words = tuple((str(each), f"{each}{', proposed' if each is proposed else ''}") for each in Severity)
    value = str(proposed if asked.seen.severity is None else asked.seen.severity)
    return Field("severity", "Severity", "choice", options=words, value=value), REASON


def _assess(_: Asked) -> Iterable[Field]:
    for axis in AXES:
        options = (
            ("", "as before"),
            *((str(grade), f"{grade}: {word}") for grade, word in enumerate(WORDS[axis])),
        )
        yield Field(axis, axis.capitalize(), "choice", required=False, options=options)
    yield REASON


def _note(asked: Asked) -> Iterable[Field]:
    standing = (("hypothesis", "a hypothesis: I suppose it"), ("fact", "a fact: I have seen it"))
    yield Field("text", "What you saw, or suppose")
    yield Field("standing", "It is", "choice", options=standing, value="hypothesis")
    if asked.seen.captain == asked.person:
        yield Field("cause", "It is the cause, and a fact", "check", required=False)
    yield Field("at", "When it happened, in UTC; empty is now", "minute", required=False)


def _establish(asked: Asked) -> Iterable[Field]:
    options = (("true", "a fact: I stand for it"), ("false", "refuted: it is not so"))
    yield Field("holds", f"Note {asked.subject} is", "choice", options=options, value="true")
    if asked.seen.captain == asked.person:
        yield Field("cause", "It is the cause", "check", required=False)
    yield REASON


def _update(asked: Asked) -> Iterable[Field]:
    """The draft that is due first stands in it, to be sent as it is or edited; without one, the runbook's words."""
    audiences = (("internal", "the team"), ("public", "customers"))
    draft = min(asked.seen.drafts, key=lambda each: each.due, default=None)
    known = draft.known if draft else asked.seen.prepared.get("internal", "")
    return (
        Field("audience", "To", "choice", options=audiences, value=draft.audience if draft else "internal"),
        Field(
            "known",
            "What is known",
            value=known,
            help="To customers no word names a cause before the captain has marked it as a fact.",
        ),
        Field("unknown", "What is not known", required=False, value=(draft and draft.unknown) or ""),
        Field("doing", "What is being done", required=False, value=(draft and draft.doing) or ""),
    )


def _handover(asked: Asked) -> Iterable[Field]:
    options = tuple(
        (id_, f"{name} ({id_})") for id_, name in asked.captains.items() if id_ != asked.seen.captain
    )
    return (Field("to", "To", "choice", options=options),)


def _switch(asked: Asked) -> Iterable[Field]:
    return Field(
        "to", "Runbook", "choice", options=tuple((each, each) for each in asked.seen.alternatives)
    ), REASON


def _waive(asked: Asked) -> Iterable[Field]:
    if asked.subject == "lock":
        yield Field("until", "Until the beginning of this day (UTC)", "day")
    yield REASON


MADE = {
    "declare": _declare,
    "assess": _assess,
    "note": _note,
    "establish": _establish,
    "update": _update,
    "handover": _handover,
    "switch": _switch,
    "waive": _waive,
}
FIELDS: dict[str, tuple[Field, ...]] = {
    **dict.fromkeys(("acknowledge", "accept", "prove", "close", "propose", "release"), ()),
    "approve": (Field("reason", "Why", required=False),),
    "confirm": (
        Field(
            "done", "It is", "choice", options=(("true", "done"), ("false", "not to be done")), value="true"
        ),
        Field("note", "What to know about it", required=False),
    ),
    "attest": (
        Field("change", "What people do differently now"),
        Field("reference", "Where it is written down", "line"),
        Field("document", "SHA-256 of that text as it is today", "line", required=False),
        Field("verify_by", "Somebody looks again by the beginning of this day (UTC)", "day"),
    ),
    "categorize": (
        Field("category", "Category", "line", help="such as serious-incident or personal-data-breach"),
        REASON,
        Field("aware_at", "Since when somebody was aware, in UTC; empty is now", "minute", required=False),
    ),
    "inform": (
        Field("reference", "Under this reference", "line"),
        Field("authority", "Who was informed, if somebody else", "line", required=False),
        Field("at", "When, in UTC; empty is now", "minute", required=False),
    ),
    "merge": (Field("into", "Into this incident", "line"), REASON),
}
