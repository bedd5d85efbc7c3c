"""Whatever Schemathesis makes of the gateway's OpenAPI document is answered; nothing of it is an error of ours."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from structlog.testing import capture_logs

from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from gateway.otlp import PROTOBUF
from tests.bell.conftest import secret
from tests.bell.golden import HERE
from tests.gateway.conftest import INCIDENT, TOKENS, Remembering, bearer

EXAMPLES = 10
BELLS = ("alertmanager", "cloudevents", "generic", "langsmith", "mapped", "otlp")
"""Those that show a bearer token, so that what they send is read."""

DELIVERIES = [path.read_bytes() for path in sorted(HERE.glob("otlp/*.binpb"))]
schemathesis.openapi.media_type(PROTOBUF, st.binary(max_size=99) | st.sampled_from(DELIVERIES))

Seen = dict[str, set[int]]


@pytest.fixture
def described(desk: Remembering, door: Doorkeeper, front: Front) -> schemathesis.BaseSchema:
    door.attempts.wait = lambda name: 0  # type: ignore[method-assign] # else 429 is all there is to see
    app = create_app(desk, door, MemoryEvidence(), front, shelf=MemoryShelf())
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def attack(operation: schemathesis.APIOperation[Any, Any, Any, Any], seen: Seen) -> None:
    """Call this operation with what fits its description, and with what does not, as nobody and as somebody."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(),
        who=st.sampled_from(["nobody", "ana", "ana, of an incident", "a bell"]),
        bell=st.sampled_from(BELLS),
    )
    def answered(case: schemathesis.Case[Any], who: str, bell: str) -> None:
        known = {} if who in {"nobody", "ana"} else {"incident": INCIDENT, "bell": bell}
        path = case.path_parameters
        path.update({name: value for name, value in known.items() if name in path})
        token = secret(bell) if who == "a bell" else TOKENS["ana"]
        headers = bearer(token) if who != "nobody" else {}
        answer = case.call_and_validate(headers=headers, checks=[not_a_server_error])
        seen.setdefault(operation.label, set()).add(answer.status_code)

    answered()


def test_nothing_that_fits_the_document_or_does_not_is_an_error_of_ours(
    described: schemathesis.BaseSchema,
) -> None:
    seen: Seen = {}
    with capture_logs() as logs:
        for found in described.get_all_operations():
            assert isinstance(found, Ok)
            attack(found.ok(), seen)
    assert not [each for each in logs if each["log_level"] in {"error", "critical"}]
    assert {"POST /bells/{bell}", "POST /v2/enqueue", "POST /alarms/generic"} <= set(seen)
    assert seen["POST /bells/{bell}"] >= {401, 422}
    assert {200, 401, 403, 404, 409, 422} <= set().union(*seen.values())
