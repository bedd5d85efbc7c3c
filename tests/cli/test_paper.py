"""What the paper says where nothing can be typed, and what must not happen to it."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

from typer.testing import Result

from firestation.loader import load_runbook, load_system
from firestation.paper import Hands, LeverHands, paper
from firestation.ports import ByHand
from firestation.runbook import Runbook
from firestation.system import System
from tests.cli.test_runbooks import EVERYTHING

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
SYSTEM = ROOT / "examples" / "refund_agent" / "system.yaml"


def everything(folder: Path) -> Runbook:
    path = folder / "page.yaml"
    path.write_text(EVERYTHING)
    return load_runbook(path)


def silent(system: System) -> Hands:
    return Hands(levers={each.id: LeverHands(read=None, moves={}) for each in system.levers}, checks={})


def test_a_lever_without_a_command_says_where_else_to_go(tmp_path: Path) -> None:
    system = load_system(SYSTEM)
    text = paper(system, (everything(tmp_path),), silent(system), None, date(2026, 11, 23))
    assert "```" not in text
    assert text.count("No command is known for the driver `http`") >= len(system.levers)
    assert "Whom to call" not in text
    for part in (
        "printed on 2026-11-23",
        "WHEN: after tell-legal; only at sev1; only when the label index is products; only when memory stands at on.",
        "Decided by 2 people, the captain one of them",
        "if one fails, put all of them back",
        "WHEN: only when index-back came to nothing.",
        "Call the number on the wall.",
        "Confirmed by the comms",
        "THE WAY BACK: Ask the search team.",
        "Internal: We are at ________ (phase).",
        "Public: Search finds less than it should.",
        "No word to the public without the yes of comms: ________",
    ):
        assert part in text, part


def test_what_cannot_be_put_back_has_no_command_to_restore_it(tmp_path: Path) -> None:
    system = load_system(SYSTEM)
    stuck = tuple(each.changed(reversible=each.id != "reranker") for each in system.levers)
    typed = ByHand(command="true", look="it is there")
    by_hand = Hands(
        levers={
            each.id: LeverHands(read=typed, moves=dict.fromkeys(each.positions, "true")) for each in stuck
        },
        checks={},
    )
    text = paper(system.changed(levers=stuck), (everything(tmp_path),), by_hand, None, date(2026, 11, 23))
    assert "RESTORE `index_version`, if it stood at `2026-11`" in text
    assert "RESTORE `reranker`" not in text


def test_a_command_cannot_break_out_of_its_fence(tmp_path: Path) -> None:
    system = load_system(SYSTEM)
    evil = ByHand(command="echo '```'\n# Not a heading", look="l")
    by_hand = silent(system)
    by_hand = by_hand.changed(levers={**by_hand.levers, "memory": LeverHands(read=evil, moves={})})
    text = paper(system, (everything(tmp_path),), by_hand, None, date(2026, 11, 23))
    assert "````bash\necho '```'\n# Not a heading\n````" in text


def test_the_command_writes_a_file_and_speaks_json(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "wall" / "plan.md"
    said = run("runbook", "print", str(SYSTEM), "--runbooks", str(ROOT / "runbooks"), "--out", str(out))
    assert said.exit_code == 0
    assert said.output.startswith("wrote ")
    told = json.loads(
        run("runbook", "print", str(SYSTEM), "--runbooks", str(ROOT / "runbooks"), "--json").stdout
    )
    assert told["text"] == out.read_text()
    assert {"general", "stale-policy"} <= set(told["runbooks"])
    assert set(told["commands"]["levers"]) == {each.id for each in load_system(SYSTEM).levers}
