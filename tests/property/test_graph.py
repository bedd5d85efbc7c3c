"""Pictures of runbooks: whatever is written in them, the picture holds, and no box stands on another."""

import re
from itertools import combinations
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from firestation.graph import Graph, graph, mermaid, svg
from firestation.graph.layout import WIDTH, layout
from firestation.lock_plan import LockPlan
from firestation.order import in_order
from firestation.runbook import Match, Recovery, Runbook
from firestation.severity import Axes
from firestation.steps import FirebreakStep, ManualStep, Probe

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("a", "end", "subgraph", "d.e-f", "n0", "z_9")
WORDS = st.text(min_size=1, max_size=120).filter(str.strip)
HOSTILE = '"]; click n0 href "javascript:alert(1)"\n</text><script>x</script> %% #quot; `x` \x07\ud800'


@st.composite
def runbooks(draw: st.DrawFn) -> Runbook:
    """Runbooks of one to six steps, each waiting for some of those before it."""
    firebreaks, manual, before = [], [], list[str]()
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        after = tuple(draw(st.lists(st.sampled_from(before), unique=True, max_size=2))) if before else ()
        left = [each for each in before if each not in after]
        fallback = draw(st.none() | st.sampled_from(left)) if left else None
        said = draw(WORDS)
        if draw(st.booleans()):
            manual.append(ManualStep(id=name, title=said, do=said, after=after, fallback_for=fallback))
        else:
            group = draw(st.sampled_from([None, "together"]))
            firebreaks.append(
                FirebreakStep(
                    id=name, lever=name, to="x", why=said, cost=said, probe=Probe(check="c"),
                    after=after, fallback_for=fallback, group=group,
                )
            )  # fmt: skip
        before.append(name)
    return Runbook(
        runbook="page",
        title=draw(WORDS),
        pattern="p",
        match=Match(names=(draw(WORDS),)),
        severity=Axes(harm=1, spread=1, reversibility=1, momentum=1),
        firebreaks=tuple(firebreaks),
        manual=tuple(manual),
        recovery=Recovery(checks=("c",)),
        lock=LockPlan(title=draw(WORDS), check="c", source="s"),
    )


@given(runbooks())
def test_each_step_comes_after_what_it_waits_for(page: Runbook) -> None:
    at = {step.id: number for number, step in enumerate(in_order(page))}
    assert set(at) == {step.id for step in page.steps}
    for step in page.steps:
        waits = [*step.after, *filter(None, [step.fallback_for])]
        assert all(at[other] < at[step.id] for other in waits)


@given(runbooks())
def test_the_graph_is_whole(page: Runbook) -> None:
    made = graph(page)
    assert len(made.nodes) == len(page.steps) + 4
    for step in page.steps:
        incoming = {(edge.start, edge.way) for edge in made.edges if edge.end == step.id}
        waits = {(other, "then") for other in step.after}
        waits |= {(step.fallback_for, "fallback")} if step.fallback_for else set()
        assert incoming == (waits or {("(evidence)", "then")})
    reach = {"(recovery)"}
    for edge in reversed(made.edges):
        reach |= {edge.start} if edge.end in reach else set()
    assert {"(alarm)", "(evidence)"} <= reach


@given(runbooks())
def test_the_image_is_xml_and_loses_no_word(page: Runbook) -> None:
    root = ET.fromstring(svg(graph(page)))
    assert {each.tag for each in root.iter()} <= {
        SVG + tag for tag in ("svg", "title", "defs", "marker", "path", "rect", "text")
    }
    shown = "".join(each.text or "" for each in root.iter(f"{SVG}text"))
    for step in page.steps:
        assert step.id in shown


@given(runbooks())
def test_no_box_stands_on_another_or_off_the_sheet(page: Runbook) -> None:
    sheet = layout(graph(page))
    assert len(sheet.arrows) == len(graph(page).edges)
    for box in sheet.boxes:
        assert box.x >= 0
        assert box.x + WIDTH <= sheet.width
        assert box.y + box.height <= sheet.height
    for one, other in combinations(sheet.boxes, 2):
        apart = (
            abs(one.x - other.x) >= WIDTH or one.y + one.height <= other.y or other.y + other.height <= one.y
        )
        assert apart
    for arrow in sheet.arrows:
        heights = [y for _, y in arrow.points]
        assert heights == sorted(heights)


@given(runbooks())
def test_the_flowchart_says_nothing_but_boxes_and_arrows(page: Runbook) -> None:
    box = r'n\d+[\[({/]+"[^"]*"[\])}/]+:::[a-z]+'
    arrow = r'n\d+ (-->|-\. "if it fails" \.->) n\d+'
    line = re.compile(
        rf'  {box}|    {box}|  subgraph g\d+\["[^"]*"\]|  end|  {arrow}|  classDef [a-z]+ [#\w:,-]+'
    )
    first, *rest = mermaid(graph(page)).split("\n")[:-1]
    assert first == "flowchart TD"
    assert [each for each in rest if not line.fullmatch(each)] == []


def test_what_is_written_to_do_harm_is_shown_and_does_none() -> None:
    made = graph(
        Runbook(
            runbook="page",
            title="t",
            pattern="p",
            match=Match(names=(HOSTILE,)),
            severity=Axes(harm=1, spread=1, reversibility=1, momentum=1),
            recovery=Recovery(checks=("c",)),
            lock=LockPlan(title="t", check="c", source="s"),
        )
    )
    assert isinstance(made, Graph)
    text = mermaid(made)
    assert "click" in text
    assert not re.search(r"^\s*click", text, re.MULTILINE)
    assert "<script>" not in text
    root = ET.fromstring(svg(made))
    assert root.find(f".//{SVG}script") is None
    assert any("<script>" in (each.text or "") for each in root.iter(f"{SVG}text"))
