"""Drills on the command line: hold one, let them come by themselves, read how they went."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, TypeVar, cast, get_args

import typer
from pydantic import ValidationError
from rich.text import Text

from cli.client import Gateway
from cli.desk import As, Desk, Json
from cli.drill_auto import Players
from cli.drill_page import show_report, show_result, shown
from cli.errors import ExitCode
from cli.plain import plain
from cli.show import command, moment, say
from cli.teach import teach
from firestation.drill import DRILL_ID, KINDS, DrillKind
from firestation.drill_orders import DrillNow
from firestation.drill_report import DrillResult
from firestation.errors import Gone, InvalidInput, Nonsense, Unreachable
from firestation.model import Model, parse_duration, show_duration
from firestation.picture import Picture

Tell = Callable[[Text], None]
M = TypeVar("M", bound=Model)

PACE_SECONDS = 0.2
GIVE_UP = 60.0
GOES_ON = (
    "The drill goes on without this command; see where it is with: firestation show {drill}; "
    "and how it went with: firestation drill report {drill}"
)
REPAIRED = frozenset({"repaired", "scoring", "calling it off", "over"})

drill = typer.Typer(
    no_args_is_help=True, help="Drills: a real run of a real runbook on a rehearsal target, scored."
)

Kind = Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")]
System = Annotated[
    str | None, typer.Option("--system", metavar="SYSTEM", help="On which system; the only one by itself.")
]
Drillers = Annotated[
    list[str] | None,
    typer.Option(
        "--driller", metavar="NAME", help="Who drills; again for another. Otherwise who is on call."
    ),
]


def run(
    ctx: typer.Context,
    kind: Kind,
    *,
    system: System = None,
    drillers: Drillers = None,
    auto: Annotated[
        bool,
        typer.Option("--auto", help="The engine plays those who drill, by their tokens in the state folder."),
    ] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Hold a drill now: set the fault, ring, watch, clear the fault, score. A captain orders it.

    Only those who drill are paged, everything says DRILL, and nothing of it is said to the public. The exit code is 1
    when the drill was not held, or not finished.

    Example:
      firestation drill run stale-policy --system refund-agent --as ana
      firestation drill run tool-runaway --auto --as ana

    Next: `firestation drill report` tells how it went, and what grew stale.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    order = {"kind": _kind(kind), "system": _system(gateway, system), "drillers": drillers or []}
    now = _read(DrillNow, gateway.order_drill(order))
    tell: Tell = _nothing if as_json else partial(say, desk.console)
    tell(Text(f"DRILL {now.mark.drill} on {plain(now.system)}: {KINDS[now.mark.kind]}", style="bold"))
    if now.trouble:
        tell(Text(plain(now.trouble), style="yellow"))
    if not auto and not as_json:
        goes_on = "It goes on without this command: Ctrl-C leaves it running. Who drills goes by what is waited for:"
        tell(Text(goes_on))
        command(desk.console, f"firestation show {now.mark.drill}")
        tell(Text("To call it off, whoever sees that it does harm:"))
        command(desk.console, f"firestation drill stop {now.mark.drill}")
    result = Watch(desk, gateway, now, auto=auto).to_the_end(tell)
    if as_json:
        desk.answer(result.model_dump(mode="json") | _summary(result))
    else:
        show_result(desk.console, result)
        command(desk.console, f"firestation drill report {result.mark.drill}")
    if result.score is None or result.score.verdict == "not finished":
        raise typer.Exit(ExitCode.REFUSED)


class Watch:
    """One drill, watched to its end; with `auto` its people are played."""

    def __init__(self, desk: Desk, gateway: Gateway, now: DrillNow, *, auto: bool) -> None:
        self.desk, self.gateway, self.now, self.auto = desk, gateway, now, auto
        self.players: Players | None = None
        self.told = 0
        gateway.patient = False  # this is patient enough, and says so

    def to_the_end(self, tell: Tell) -> DrillResult:
        """The result, once it is kept. A station that is away for a while is waited for."""
        name, step, silent_since, silent = self.now.mark.drill, "", time.monotonic(), False
        while True:
            try:
                found = self.gateway.drills(self.now.system)
                silent_since, silent = time.monotonic(), False
                for each in found["results"]:
                    if each["mark"]["drill"] == name:
                        return _read(DrillResult, each)
                current = [_read(DrillNow, each) for each in found["running"]]
                self.now = next((each for each in current if each.mark.drill == name), self.now)
                if step != self.now.step:
                    step = self.now.step
                    tell(Text(f"-- {step}" + (f": {plain(self.now.trouble)}" if self.now.trouble else "")))
                self._look(tell)
            except Unreachable as error:
                if not silent:
                    silent = True
                    tell(Text(f"still watching: {plain(error)}", style="yellow"))
                if time.monotonic() - silent_since > GIVE_UP:
                    raise Unreachable(f"{error}. {GOES_ON.format(drill=name)}") from error
            time.sleep(PACE_SECONDS)  # the pace of looking

    def _look(self, tell: Tell) -> None:
        try:
            seen = self.gateway.picture(self.now.mark.drill)
        except Gone:  # it has not rung yet
            return
        for each in seen.timeline[self.told :]:
            tell(Text.assemble("  | ", moment(each, seen.as_of)))
        self.told = len(seen.timeline)
        if self.auto:
            self._play(seen, tell)

    def _play(self, seen: Picture, tell: Tell) -> None:
        if self.players is None:
            people = {name: self.desk.gateway(name) for name in self.now.mark.drillers}
            self.players = Players(people, self.now.stays)
        for play, came in self.players.act(seen, repaired=self.now.step in REPAIRED):
            tell(Text(f"  $ {play.person}: {play.act}: {plain(came, 200)}", style="cyan"))


def report(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="DRILL", help="One drill; otherwise all, and the readiness.")
    ] = None,
    *,
    system: System = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Read how drills went: what was rehearsed, the times beside what the runbook allows, what to do better.

    Without a DRILL: the last ones, and how ready each runbook and each lever is; what was not drilled within the
    runbook's `stale_after` is stale, and a runbook that says something else than when it was drilled is changed.

    Example:
      firestation drill report
      firestation drill report --system refund-agent --json

    Next: drill what is stale: `firestation drill run KIND`, or `firestation drill schedule KIND`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = shown(desk.gateway(), system)
    if name is not None:
        ours = [each for each in found.results if each.mark.drill.startswith(name)]
        if len(ours) != 1:
            known = ", ".join(each.mark.drill for each in found.results[:5]) or "none yet"
            raise InvalidInput("DRILL", f"{len(ours)} drills begin with {name[:80]!r}", f"There is {known}")
        if as_json:
            desk.answer(ours[0].model_dump(mode="json") | _summary(ours[0]))
        else:
            show_result(desk.console, ours[0])
    elif as_json:
        results = [each.model_dump(mode="json") | _summary(each) for each in found.results]
        desk.answer(found.model_dump(mode="json") | {"results": results})
    else:
        show_report(desk.console, found)


def schedule(
    ctx: typer.Context,
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="Without it, the schedules are listed.")
    ] = None,
    *,
    system: System = None,
    drillers: Drillers = None,
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help="How often, at least 1d.")] = "30d",
    window: Annotated[
        str, typer.Option("--window", metavar="SPAN", help="Within how long after this time of day it comes.")
    ] = "8h",
    remove: Annotated[str | None, typer.Option("--remove", metavar="NAME", help="Remove this one.")] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Let a drill come by itself, unannounced: every so often, at a time within the window that nobody is told.

    The window begins at the time of day at which this is typed. Without a KIND the schedules are listed.

    Example:
      firestation drill schedule stale-policy --system refund-agent --every 30d --window 6h --as ana
      firestation drill schedule
      firestation drill schedule --remove stale-policy-on-refund-agent --as ana

    Next: nothing; those who are on call then will see.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    if remove:
        answer: Mapping[str, Any] = gateway.unschedule_drill(remove)
        said = [f"removed {answer['name']}"]
    elif kind:
        spans = {"every": _span(every, "--every"), "window": _span(window, "--window")}
        order = {"kind": _kind(kind), "system": _system(gateway, system), "drillers": drillers or []}
        answer = gateway.schedule_drill(order | spans)
        said = [_told(answer)]
    else:
        answer = gateway.schedules()
        said = [_told(each) for each in answer["schedules"]] or ["No drill comes by itself."]
    if as_json:
        desk.answer(answer)
        return
    for line in said:
        say(desk.console, Text(plain(line, 300)))


def stop(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DRILL", help="The drill's whole name.")],
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Let a drill be over: the fault is cleared, it is scored as it is, and what it moved is put back.

    Example:
      firestation drill stop drill-stale-policy-1a2b3c4d --as ana

    Next: `firestation drill report DRILL`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    if not DRILL_ID.fullmatch(name):
        raise InvalidInput(
            "DRILL", f"{name[:80]!r} is no drill", "Copy its name from: firestation drill report"
        )
    answer = desk.gateway().stop_drill(name)
    if as_json:
        desk.answer(answer)
    else:
        say(
            desk.console, Text(f"{name} is being called off: every lever goes back, and the fault is cleared")
        )
        command(desk.console, f"firestation drill report {name}")


def _kind(given: str) -> DrillKind:
    if given not in get_args(DrillKind):
        raise InvalidInput("KIND", f"there is no drill {given[:80]!r}", f"There is {', '.join(KINDS)}")
    return cast("DrillKind", given)


def _system(gateway: Gateway, given: str | None) -> str:
    """The system that is named, or the only one that can be rehearsed."""
    if given:
        return given
    known = sorted({each["system"] for each in gateway.drills()["readiness"]})
    if len(known) != 1:
        there = (
            f"It can be {', '.join(known)}" if known else "No system says how it is rehearsed: docs/drills.md"
        )
        raise InvalidInput("--system", "it is not clear on which system", there)
    return str(known[0])


def _span(given: str, option: str) -> float:
    try:
        span = parse_duration(given)
    except ValueError as error:
        raise InvalidInput(option, str(error), "Write it like 30d or 8h") from None
    return cast("timedelta", span).total_seconds()


def _told(each: Mapping[str, Any]) -> str:
    order, people = each["order"], " and ".join(each["order"]["drillers"]) or "whoever is on call"
    every, window = (show_duration(timedelta(seconds=each[name])) for name in ("every", "window"))
    return f"{each['name']}: every {every}, within {window}; drilled by {people}; ordered by {order['ordered_by']}"


def _summary(result: DrillResult) -> dict[str, Any]:
    """What is computed of a score, for machines."""
    score = result.score
    if score is None:
        return {"verdict": result.told, "sentence": None, "improve": []}
    return {"verdict": score.verdict, "sentence": score.sentence(), "improve": list(score.improve())}


def _nothing(_: Text) -> None:
    """A machine reads: nothing is told on the way."""


def _read(model: type[M], answer: Any) -> M:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise Nonsense("the station's drills cannot be read: use the command of its own version") from error


teach(drill, "run", run)
teach(drill, "report", report)
teach(drill, "schedule", schedule)
teach(drill, "stop", stop)
