"""A product that says when to come again is asked again then, and not sooner, nor as late as it likes."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.failures import as_failures
from firestation.errors import Denied, FirestationError, Refused, Unreachable


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (Unreachable("429", status=429, retry_after_s=7.0), 7),
        (Unreachable("429", status=429, retry_after_s=0.5), 0.5),
        (Unreachable("429", status=429, retry_after_s=86400.0), 30),
        (Unreachable("429", status=429, retry_after_s=0.0), None),
        (Unreachable("429", status=429), None),
        (Unreachable("429", retry_after_s="7"), None),
        (Denied("403", retry_after_s=7.0), None),
        (Refused(1, "a rule", "no"), None),
    ],
)
def test_when_it_is_tried_again(error: FirestationError, delay: float | None) -> None:
    with pytest.raises(ApplicationError) as caught, as_failures():
        raise error
    assert caught.value.next_retry_delay == (None if delay is None else timedelta(seconds=delay))
