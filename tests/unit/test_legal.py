"""The catalogue of legal clocks is the law as it is cited, and a clock that makes no sense is refused."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from firestation.legal import CATALOGUE, Legal, clocks
from tests.property.worlds import LAW, system

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_catalogue_is_the_law() -> None:
    """Told a second time: the paragraph, what starts it, and its time."""
    told = {
        ("Art. 73(2)", "serious-incident", 15 * DAY),
        ("Art. 73(3)", "widespread-infringement critical-infrastructure", 2 * DAY),
        ("Art. 73(4)", "death-of-a-person", 10 * DAY),
        ("Art. 33(1)", "personal-data-breach", 72 * HOUR),
    }
    found = {
        (each.source.partition("), ")[2].partition(";")[0], " ".join(each.categories), each.within)
        for each in CATALOGUE
    }
    assert found == told
    assert all(each.url and each.url.startswith("https://eur-lex.europa.eu/eli/reg/") for each in CATALOGUE)
    assert {each.id for each in CATALOGUE if each.do_not_alter} == {each.id for each in CATALOGUE[:3]}


OWN: dict[str, Any] = LAW.clocks[0].model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "gdpr-33"}, "already the id of a clock of the catalogue"),
        ({"categories": [], "severities": []}, "nothing starts supervisor"),
        ({"categories": ["sev1"]}, "is a severity"),
        ({"remind": ["4h"]}, "before it starts"),
        ({"within": "0s"}, "greater than"),
        ({"within": "400d"}, "less than"),
        ({"source": ""}, "at least 1 character"),
    ],
)
def test_a_clock_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Legal.model_validate({"clocks": [OWN | changes]})
    with pytest.raises(ValidationError, match="already the id of a clock"):
        Legal.model_validate({"clocks": [OWN, OWN]})


def test_without_a_setting_it_reminds_at_a_half_a_quarter_and_an_eighth() -> None:
    clock = LAW.clocks[0].changed(remind=())
    assert clock.reminders() == (2 * HOUR, HOUR, HOUR / 2)


def test_a_system_that_says_nothing_of_the_law_has_the_digest_that_it_had() -> None:
    assert "legal" not in system().model_dump(mode="json")
    assert "legal" in system().changed(legal=LAW).model_dump(mode="json")
    assert [each.owner for each in clocks(Legal())] == ["captain"] * len(CATALOGUE)
