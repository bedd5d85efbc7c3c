"""Logs hold no credential, however it came there: by its name, or by its form."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.logging import MASK, mask

KEY = "sk-" + "abcdefghijklmnopqrstuvwx"
BEARER = "Bearer " + "abcdefghijklmnopqrstuvwx"


PROCESS = f"""
import logging, structlog
from firestation.logging import set_up
set_up("json")
try:
    int("{KEY}")
except ValueError:
    logging.getLogger("some.library").exception("calling with %s", "{BEARER}")
structlog.get_logger().warning("ours", authorization="{BEARER}")
"""


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


def test_the_libraries_logs_are_masked_too() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["level"], first["event"]) == ("error", f"calling with {MASK}")
    assert "ValueError" in first["exception"]
    assert second["authorization"] == MASK
    assert KEY not in done.stderr
    assert BEARER not in done.stderr


PAINTING = """
import structlog
from firestation.logging import set_up
set_up("console")
structlog.get_logger().info("a bell rang", delivery="a\\x1b[2Jb\\x9bc", names=["x\\x1b[2J"], text="two\\nlines")
"""


def test_no_word_of_an_alarm_paints_on_the_terminal_that_shows_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", PAINTING], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert "delivery=a\\x1b[2Jb\\x9bc" in line
    assert "text='two\\nlines'" in line
    assert line.isprintable()
