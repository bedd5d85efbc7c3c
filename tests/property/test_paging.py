"""Who is paged next, and when: until somebody acknowledges, never twice for one step, and never in a hot loop."""

from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firestation import acts, record
from firestation.authority import Role
from firestation.board import Receipt
from firestation.clock import NEVER
from firestation.contacts import Contact, ContactKind
from firestation.due import next_wake
from firestation.fold import begin
from firestation.pagers import Pager
from firestation.paging import SLOWER, link_of, next_page, want_of_captain
from firestation.picture import waiting_for
from firestation.record import Opened
from firestation.state import Parcel
from tests.property.worlds import START, World, brief, roster

EVERY = timedelta(minutes=2)
Fate = Literal["sent", "lost", "open"]


def world(ranks: int = 2, contacts: tuple[Contact, ...] = (), pagers: tuple[Pager, ...] = ()) -> World:
    """An incident whose escalation has so many ranks; ana has these contacts."""
    made, known = World(), roster()
    captains = tuple(
        known.people[0].changed(id=name, name=name, contacts=contacts if name == "ana" else ())
        for name in ("ana", "ben", "eva", "fay")[:ranks]
    )
    people = (
        *captains,
        *(each for each in known.people if each.id not in {person.id for person in captains}),
    )
    opened = made.record[0]
    assert isinstance(opened, Opened)
    mine = known.changed(people=people, escalation=tuple(each.id for each in captains), pagers=pagers)
    begun = opened.changed(brief=brief().changed(roster=mine))
    made.record, made.incident = [begun], begin(begun)
    made.happen(record.Rang(at=START, alarm=World().incident.rung[0].alarm))
    return made


def pages(world: World) -> list[Parcel]:
    return [parcel for parcel in world.incident.outbox if parcel.page]


def end(world: World, parcel: Parcel, fate: Fate, detail: str = "nobody answers") -> None:
    if fate == "sent":
        receipt = Receipt(channel=parcel.channel, reference="taken")
        world.happen(record.Sent(at=world.now, message=parcel.message, key=parcel.key, receipt=receipt))
    elif fate == "lost":
        world.happen(record.Unsent(at=world.now, message=parcel.message, key=parcel.key, detail=detail))


def paged(world: World) -> list[str]:
    return [event.person for event in world.record if isinstance(event, record.Paged)]


def test_a_page_that_reached_nobody_is_followed_by_the_next_at_once() -> None:
    town = world()
    assert paged(town) == ["ana"]
    end(town, pages(town)[0], "lost")
    assert paged(town) == ["ana", "ben"]
    assert [event.step for event in town.record if isinstance(event, record.Unreached)] == [1]


def test_a_page_that_went_out_by_one_way_has_reached_somebody() -> None:
    contacts = (
        Contact(kind=ContactKind.EMAIL, to="ana@example.org"),
        Contact(kind=ContactKind.SMS, to="+4915112345678"),
    )
    pagers = tuple(Pager(id=kind.value, driver="memory", reaches=kind) for kind in ContactKind)
    town = world(contacts=contacts, pagers=pagers)
    mail, sms = pages(town)
    end(town, mail, "lost")
    assert paged(town) == ["ana"], "the other way may still reach her"
    end(town, sms, "sent")
    assert paged(town) == ["ana"]
    assert not [event for event in town.record if isinstance(event, record.Unreached)]
    town.wait(EVERY)
    assert paged(town) == ["ana", "ben"]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_after_a_whole_round_in_vain_there_is_a_pause(ranks: int) -> None:
    town = world(ranks)
    for _ in range(ranks):
        (parcel,) = pages(town)
        end(town, parcel, "lost")
    assert len(paged(town)) == ranks, "no hot loop"
    assert not pages(town)
    assert next_wake(town.incident) > town.now
    assert next_page(town.incident) == town.now + EVERY
    town.wait(EVERY)
    assert len(paged(town)) == ranks + 1


def test_weeks_in_vain_grow_slower_and_fill_no_record() -> None:
    town, began = world(), None
    for _ in range(6):
        while pages(town):
            end(town, pages(town)[0], "lost")
        began = town.now
        town.wait(next_page(town.incident) - town.now)
    assert began is not None
    assert town.now - began == SLOWER * EVERY


def test_without_any_channel_there_is_a_pause_too() -> None:
    town = world()
    system = town.incident.brief.system
    mute = system.changed(channels=tuple(each for each in system.channels if each.audience == "public"))
    opened = Opened(at=START, brief=town.incident.brief.changed(system=mute), run="run")
    town.record, town.incident = [opened], begin(opened)
    town.happen(record.Rang(at=START, alarm=World().incident.rung[0].alarm))
    assert paged(town) == ["ana", "ben"]
    assert "the station has no pager for them" in want_of_captain(town.incident)


@example(2, [("sent", 0), ("sent", 120), ("sent", 200), ("sent", 700), ("sent", 200), ("sent", 700)], 2)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["sent", "lost", "open"]), st.integers(0, 700)), max_size=30),
    st.integers(0, 30),
)
def test_until_acknowledged_everybody_in_turn_and_each_step_once(
    ranks: int, life: list[tuple[Fate, int]], answered_after: int
) -> None:
    town = world(ranks)
    for number, (fate, seconds) in enumerate(life):
        if number == answered_after:
            assert town.attempt(acts.Acknowledge(by="ana")) is None
        for parcel in pages(town)[:1]:
            end(town, parcel, fate)
        town.wait(timedelta(seconds=seconds))
        incident = town.incident
        if incident.tenures and not incident.captain:
            return  # relieved, for they said nothing: then it begins anew with somebody else
        if incident.captain:
            assert next_page(incident) == NEVER
        else:
            assert town.now < next_page(incident) <= town.now + SLOWER * EVERY
    steps = [event.step for event in town.record if isinstance(event, record.Paged)]
    assert steps == list(range(1, len(steps) + 1))
    names = town.incident.brief.roster.escalation
    assert paged(town) == [names[index % ranks] for index in range(len(steps))]
    keys = [parcel.key for parcel in pages(town)] + sorted(town.incident.done_keys)
    assert len(set(keys)) == len(keys)
    burst = [event.at for event in town.record if isinstance(event, record.Paged)]
    assert all(later - earlier >= EVERY for earlier, later in zip(burst, burst[ranks:], strict=False))
    told = [event.step for event in town.record if isinstance(event, record.Unreached)]
    assert len(set(told)) == len(told)


def test_who_could_not_be_reached_stands_where_people_look() -> None:
    town = world()
    end(town, pages(town)[0], "lost", "the mail server is not reachable")
    told = "a captain: nobody could be reached: ana (the mail server is not reachable)"
    assert waiting_for(town.incident)[0].what == told
    end(town, pages(town)[0], "sent")
    told = "a captain: nobody has acknowledged; not reached: ana (the mail server is not reachable)"
    assert waiting_for(town.incident)[0].what == told
    town.attempt(acts.Acknowledge(by="ben"))
    assert "captain" not in waiting_for(town.incident)[0].what


@given(st.lists(st.sampled_from(["wait", "ana", "ben", "renounce", "hand over", "silence"]), max_size=12))
def test_whoever_becomes_captain_answers_every_page_of_before(life: list[str]) -> None:
    town = World()
    for each in life:
        captain = town.incident.captain
        if each == "wait" or (each == "silence" and not captain):
            town.wait(EVERY)
        elif each == "silence":
            assert captain is not None
            town.happen(record.Relieved(at=town.now, person=captain, since=START))
        elif each in {"ana", "ben"}:
            town.attempt(acts.Acknowledge(by=each))
        elif captain and each == "renounce":
            assert town.attempt(acts.Renounce(by=captain, reason="asleep")) is None
        elif captain:
            other = "ben" if captain == "ana" else "ana"
            assert town.attempt(acts.Handover(by=captain, to=other)) is None
            assert town.attempt(acts.Accept(by=other)) is None
        last = town.incident.tenures[-1] if town.incident.tenures else None
        for page in town.incident.paging:
            before = bool(last and (page.at < last.since or last.until is None))
            assert not before or page.answered
            if page.answered:
                assert town.attempt(acts.Acknowledge(by=page.person, page=page.step)) is not None
            elif not town.incident.captain:
                assert page.at >= (last.until if last and last.until else START), "sent since nobody has it"


MAIL = Contact(kind=ContactKind.EMAIL, to="ana@example.org")
REACHES: list[tuple[str, dict[str, Any], bool | None, bool]] = [
    # the driver, what it is told, what the file says of links, whether the page's link goes by it
    ("email", {"host": "mail.example.org"}, None, True),
    ("email", {"to": "team@example.org"}, None, False),
    ("email", {"to": "team@example.org"}, True, True),
    ("email", {"host": "mail.example.org"}, False, False),
    ("matrix", {"room": "#alerts:example.org"}, None, False),
    ("matrix", {"homeserver": "https://m.example.org"}, None, True),
    ("webhook", {"url": "env:HOOK"}, None, False),
    ("webhook", {"secret": "env:SECRET"}, None, True),
    ("http", {"send": {"url": "/x", "body": {"text": "{text}"}}}, None, False),
    ("http", {"send": {"url": "/x", "body": {"text": "{text}", "to": "{to}"}}}, None, True),
    ("memory", {}, None, True),
]


@pytest.mark.parametrize(("driver", "config", "link", "brought"), REACHES)
@pytest.mark.parametrize("of", ["the station", "the system"])
def test_a_link_goes_only_where_the_person_alone_reads_or_where_the_file_says_so(
    of: str, driver: str, config: dict[str, Any], link: bool | None, brought: bool
) -> None:
    if of == "the station":
        pager = Pager(id="mail", driver=driver, reaches=ContactKind.EMAIL, config=config, link=link)
        town = world(contacts=(MAIL,), pagers=(pager,))
    else:
        town = world()
        system = town.incident.brief.system
        channels = tuple(
            each.changed(driver=driver, config=config, link=link) if each.audience == "pager" else each
            for each in system.channels
        )
        changed = town.incident.brief.changed(system=system.changed(channels=channels))
        town.incident = town.incident.changed(brief=changed)
    (parcel,) = pages(town)
    found = link_of(town.incident, parcel)
    assert (found is not None) is brought
    if found:
        assert (found.person, found.page, found.incident) == ("ana", 1, town.incident.id)


@pytest.mark.parametrize("to", ["#alerts:example.org", "!abc:example.org", "@ana:example.org"])
@pytest.mark.parametrize("link", [None, True])
def test_a_room_as_somebodys_contact_gets_no_link_unless_the_file_says_so(to: str, link: bool | None) -> None:
    contact = Contact(kind=ContactKind.MATRIX, to=to)
    pager = Pager(id="chat", driver="matrix", reaches=ContactKind.MATRIX, link=link)
    town = world(contacts=(contact,), pagers=(pager,))
    (parcel,) = pages(town)
    assert (link_of(town.incident, parcel) is not None) is (to.startswith("@") or link is True)


def test_a_page_that_goes_to_the_board_has_no_link() -> None:
    town = world()
    system = town.incident.brief.system
    told = tuple(each.changed(link=True) for each in system.channels if each.audience != "pager")
    opened = Opened(
        at=START, brief=town.incident.brief.changed(system=system.changed(channels=told)), run="run"
    )
    town.record, town.incident = [opened], begin(opened)
    town.happen(record.Rang(at=START, alarm=World().incident.rung[0].alarm))
    (parcel,) = pages(town)
    assert (parcel.channel, parcel.page) == ("room", 1)
    assert link_of(town.incident, parcel) is None


def test_incidents_of_before_wait_as_they_did() -> None:
    town = world()
    opened = town.record[0]
    assert isinstance(opened, Opened)
    old = opened.changed(brief=opened.brief.changed(edition=2))
    town.record, town.incident = [old], begin(old)
    town.happen(record.Rang(at=START, alarm=World().incident.rung[0].alarm))
    end(town, pages(town)[0], "lost")
    assert paged(town) == ["ana"]
    assert next_page(town.incident) == START + EVERY
    assert waiting_for(town.incident)[0].what == "a captain: nobody has acknowledged"


# The station's pagers ------------------------------------------------------------------------------------------


def test_a_person_is_told_by_every_pager_that_fits_at_their_own_contact() -> None:
    contacts = (
        Contact(kind=ContactKind.EMAIL, to="ana@example.org"),
        Contact(kind=ContactKind.EMAIL, to="ana@example.net"),
        Contact(kind=ContactKind.MATRIX, to="@ana:example.org"),
    )
    pagers = tuple(Pager(id=kind.value, driver="memory", reaches=kind) for kind in ContactKind)
    town = world(contacts=contacts, pagers=pagers)
    found = {parcel.key.rpartition("/")[2]: (parcel.channel, parcel.message.to) for parcel in pages(town)}
    assert found == {
        "email": ("email", "ana@example.org"),
        "email:2": ("email", "ana@example.net"),
        "matrix": ("matrix", "@ana:example.org"),
    }
    carriers = {town.incident.carrier(parcel).id for parcel in pages(town)}
    assert carriers == {"email", "matrix"}
    town.wait(EVERY)
    (second,) = [parcel for parcel in pages(town) if parcel.page == 2]
    assert (second.pager, second.channel, second.message.to) == (False, "pager", "ana@example.org"), (
        "whom no pager reaches is told as before"
    )


def test_a_pager_and_a_channel_of_one_name_are_two() -> None:
    contacts = (Contact(kind=ContactKind.SMS, to="+4915112345678"),)
    town = world(contacts=contacts, pagers=(Pager(id="pager", driver="apprise", reaches=ContactKind.SMS),))
    (parcel,) = pages(town)
    assert town.incident.carrier(parcel).driver == "apprise"


def test_the_digest_of_a_roster_without_pagers_is_as_it_was() -> None:
    assert "pagers" not in roster().model_dump()
    assert "contacts" not in roster().people[0].model_dump()
    assert "page" not in acts.Acknowledge(by="ana").model_dump()


# Answering by a page's own link ----------------------------------------------------------------------------------


def test_a_page_is_answered_once_and_only_by_whom_it_was_sent_to() -> None:
    town = world()
    refused = [
        ("nobody got it", "ana", 2, "no page 2"),
        ("another's", "ben", 1, "sent to ana, not to ben"),
    ]
    for what, by, page, says in refused:
        refusal = town.attempt(acts.Acknowledge(by=by, page=page))
        assert refusal is not None, what
        assert says in refusal.missing
    assert town.attempt(acts.Acknowledge(by="ana", page=1)) is None
    assert town.incident.captain == "ana"
    again = town.attempt(acts.Acknowledge(by="ana", page=1))
    assert again is not None
    assert "answered already" in again.missing


def test_who_comes_too_late_is_told_who_has_it() -> None:
    town = world()
    town.wait(EVERY)
    assert town.attempt(acts.Acknowledge(by="ana", page=1)) is None
    late = town.attempt(acts.Acknowledge(by="ben", page=2))
    assert late is not None
    assert "ana is the captain" in late.missing


def test_a_link_takes_a_role_only_of_who_has_it() -> None:
    town = world()
    refusal = town.attempt(acts.Acknowledge(by="ana", page=1, role=Role.AUDITOR))
    assert refusal is not None
    assert town.attempt(acts.Acknowledge(by="ana", page=1)) is None, "a refused answer uses nothing up"


def test_the_text_says_how_to_take_it_and_holds_no_secret() -> None:
    (parcel,) = pages(world())
    text = parcel.message.text
    assert "firestation ack refund-agent-1a2b3c4d" in text
    assert "POST /incidents/refund-agent-1a2b3c4d/acknowledge" in text
    assert "http" not in text


def test_the_board_says_when_nobody_has_it() -> None:
    town = world()
    town.attempt(acts.Update(by="cara", audience="internal", known="refunds are wrong"))
    town.attempt(acts.Update(by="cara", audience="public", known="refunds are late"))
    inside, outside = [
        parcel.message.text for parcel in town.incident.outbox if parcel.message.purpose == "update"
    ]
    assert "has no captain" in inside
    assert "captain" not in outside
