"""Logs hold no credential, however it came there: by its name, or by its form."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from firestation.logging import MASK, mask, set_up

KEY = "sk-" + "abcdefghijklmnopqrstuvwx"
BEARER = "Bearer " + "abcdefghijklmnopqrstuvwx"


@pytest.fixture
def json_logs(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    set_up("json")
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@given(st.sampled_from(["token", "Authorization", "db_password", "client_secret", "x_api_key"]), st.text())
def test_what_is_named_like_a_credential_is_masked(name: str, value: str) -> None:
    assert mask(None, "info", {name: value}) == {name: MASK}


@pytest.mark.parametrize("secret", [KEY, BEARER])
def test_what_has_the_form_of_a_credential_is_masked(secret: str) -> None:
    event = {"event": f"asked with {secret}", "inside": {"deep": [f"x {secret}", {"token": 7}]}, "number": 3}
    told = mask(None, "info", event)
    assert secret.rsplit(maxsplit=1)[-1] not in json.dumps(told)
    assert told["inside"]["deep"][1] == {"token": MASK}
    assert told["number"] == 3


@pytest.mark.usefixtures("json_logs")
def test_the_libraries_logs_are_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int(KEY)
    except ValueError:
        logging.getLogger("some.library").exception("calling with %s", BEARER)
    structlog.get_logger().warning("ours", authorization=BEARER)
    first, second = (json.loads(line) for line in capsys.readouterr().err.strip().splitlines())
    assert first["level"] == "error"
    assert "ValueError" in first["exception"]
    assert second["authorization"] == MASK
    assert KEY not in json.dumps(first)
    assert BEARER not in json.dumps([first, second])
