"""The real tools on the replay: a megabyte of hostile evidence, and files that fool whoever believes exit codes."""

from pathlib import Path

import pytest

from activities.replay import replaying
from activities.toolbox import Toolbox
from firestation.expect import Expectation
from firestation.lock_plan import LockTool
from firestation.locks.case import Case, as_json
from firestation.locks.registry import TOOLS
from tests.drivers.products import eval_tools

pytestmark = [pytest.mark.driver, pytest.mark.timeout(240)]

HOSTILE = "\"\"\" ''' \\ {{ 7*7 }} {% endraw %} ${HOME} `id` %s {0} \u2028\u202e\x00\r\n file:///etc/passwd <b> \ud800"
LONG = HOSTILE * (1024 * 1024 // len(HOSTILE))


def case(*expect: Expectation) -> Case:
    return Case(
        incident="refund-agent-1",
        title=HOSTILE.encode(errors="ignore").decode()[:100],
        evidence="a" * 64,
        artifact="trace {{ r-1 }}",
        method="POST",
        url="http://127.0.0.1:1/ask",
        body=as_json({"question": LONG, "__proto__": {HOSTILE: [None]}}),
        expect=expect,
    )


@pytest.mark.parametrize("name", TOOLS)
async def test_hostile_evidence_arrives_as_it_was(name: LockTool, tmp_path: Path) -> None:
    """The replay takes no other request, and the file expects the very same text in the answer."""
    tool, tools = TOOLS[name], Toolbox(eval_tools())
    asked = case(Expectation(path="$.said", op="equals", value=LONG))
    with replaying(asked, {"said": LONG}) as replay:
        surroundings = {"LOCK_URL": replay.url}
        (outcome, detail), said = await tools.judge(tool, asked, tool.write(asked), tmp_path, surroundings)
    assert replay.trouble() is None, said
    assert outcome == "passed", (detail[:2000], said[:2000])


DOCTORED: dict[LockTool, tuple[str, str]] = {
    "pytest": ("def test_lock(", "@pytest.mark.skip\ndef test_lock("),
    "deepeval": ("def test_lock(", "@pytest.mark.xfail\ndef test_lock("),
    "promptfoo": ('then does not go wrong", assert }]', 'then does not go wrong" }]'),
    "inspect": ("state.completed = True", "raise RuntimeError"),
}
"""Each of these ends with exit code 0."""


@pytest.mark.parametrize("name", DOCTORED)
async def test_what_was_not_tested_has_not_passed(name: LockTool, tmp_path: Path) -> None:
    tool, tools = TOOLS[name], Toolbox(eval_tools())
    asked = case(Expectation(path="$.ruling", op="equals", value="deny"))
    text, (old, new) = tool.write(asked), DOCTORED[name]
    assert old in text
    ruling = "allow" if name == "deepeval" else "deny"
    with replaying(asked, {"ruling": ruling}) as replay:
        surroundings = {"LOCK_URL": replay.url}
        (outcome, detail), said = await tools.judge(
            tool, asked, text.replace(old, new), tmp_path, surroundings
        )
    assert outcome == "error", (detail, said)
    assert not detail.startswith("its report says passed"), detail  # the exit code did not give it away
