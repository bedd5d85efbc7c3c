"""The audit of an incident: everything in one file for a stranger, and its verification without a station."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from cli.audit_run import run
from cli.client import Gateway
from cli.desk import As, Desk, Incident, Json
from cli.errors import ExitCode
from cli.plain import plain
from cli.show import ASK, BAD, DIM, GOOD, command, say
from cli.teach import teach
from firestation.allowed_signers import AllowedSigner, read_allowed_signers
from firestation.archive import Archive
from firestation.bundle import STATEMENT, Contents, peek
from firestation.bundle_files import write_history
from firestation.bundle_verify import Examined, Replayed, code_of, conclude, examine
from firestation.errors import InvalidInput, Nonsense, NotConfigured
from firestation.files import create_whole
from firestation.model import count
from firestation.signing import PublicKey, fingerprint, load_public_key
from firestation.verdict import CHECKS, Found, Verdict, sarif
from firestation.verdict_page import page
from firestation.version import build

LARGEST_STATEMENT = 64 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[1]
"""Where our own programs are looked for, so that none is run that lies beside a bundle."""

REPLAY_SECONDS = 1800
MEGABYTE = 1_000_000

audit = typer.Typer(
    no_args_is_help=True,
    help="One incident in one file, its verification without a station, and many at once.",
)


class Against(StrEnum):
    """Which code a replay is to be made against."""

    CURRENT = "current"
    PINNED = "pinned"


def export(
    ctx: typer.Context,
    incident: Incident,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A new file; otherwise INCIDENT.tar here.")
    ] = None,
    digests_only: Annotated[
        bool, typer.Option("--digests-only", help="Name the evidence by its digests, and leave it out.")
    ] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Write one bundle: histories, manifests and evidence, decisions, keys, runbook and code, signed by the station.

    Example:
      firestation audit export refund-agent-1a2b3c4d --as dan

    Next: `firestation audit verify FILE` checks it, here or anywhere. For the roles auditor and captain.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    found = gateway.find(incident)
    target = out or Path(f"{found}.tar")
    with progress("the station reads histories and evidence") as tell:
        told, digest = fetch(gateway, found, target, tell, digests_only=digests_only)
    _say_exported(desk, target, told, digest)


def fetch(
    gateway: Gateway, incident: str, target: Path, tell: Callable[[str], None], *, digests_only: bool = False
) -> tuple[Contents, str]:
    """Write the bundle into a new file: what it says that it holds, and its SHA-256.

    Raises `InvalidInput` when a file is there already, `NotConfigured` when it cannot be written, `Nonsense` when what
    comes is no bundle, and as the gateway does.
    """
    taken = InvalidInput("--out", f"{target} is there already", "Name a new file, or move it away")
    if target.exists():
        raise taken
    weighed = hashlib.sha256()

    def passing(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            weighed.update(piece)
            done += len(piece)
            tell(f"writing, {done / MEGABYTE:.1f} of {size / MEGABYTE:.1f} MB")
            yield piece

    try:
        with gateway.bundle(incident, digests_only=digests_only) as (size, pieces):
            made = create_whole(target, passing(pieces, size), 0o600)  # decrypted, and everything is in it
    except OSError as error:
        raise NotConfigured(f"{target} cannot be written: {error.strerror}") from error
    if not made:
        raise taken
    return _told(target), weighed.hexdigest()


def _told(target: Path) -> Contents:
    """What a file that came says that it holds. Raises `Nonsense` when it is no bundle, and takes it away."""
    try:
        with target.open("rb") as file:
            return peek(Archive(file).read(STATEMENT, LARGEST_STATEMENT))
    except InvalidInput as error:
        target.unlink()
        raise Nonsense(f"what the station sent is no bundle: {error}") from error


def _say_exported(desk: Desk, target: Path, told: Contents, digest: str) -> None:
    if desk.json:
        where = {"bundle": str(target), "sha256": digest, "bytes": target.stat().st_size}
        desk.answer({**where, **told.model_dump(mode="json")})
        return
    counts = told.counts
    say(desk.console, Text.assemble(("wrote ", GOOD), plain(target)), hang=6)
    runs = f"{count(counts.runs, 'run')}, {counts.events} events, {counts.record} entries of the record"
    evidence = "named by digest, not enclosed" if told.digests_only else "enclosed"
    say(desk.console, Text(f"{told.incident}, {told.standing}: {runs}"), indent=6)
    say(desk.console, Text(f"{count(counts.artifacts, 'artifact')} {evidence}; SHA-256 {digest}"), indent=6)
    for each in told.absent:
        say(desk.console, Text(f"absent: {plain(each.name)}: {plain(each.why)}", style=BAD), indent=6)
    key = desk.options.state / "keys" / "station.pub"
    command(desk.console, f"firestation audit verify {target} --key {key if key.exists() else 'station.pub'}")


def verify(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="FILE", help="What `firestation audit export` wrote.")],
    *,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="The public key that you have from the station itself. Otherwise that of the state folder, if you "
            "have named one by --state or FIRESTATION_STATE.",
        ),
    ] = None,
    former_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--former-key",
            metavar="FILE",
            help="A key that the station had before: it may have sealed manifests, and no bundle. May be repeated.",
        ),
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers",
            metavar="FILE",
            help="allowed_signers that you have from elsewhere: each signed decision must hold by these keys, too.",
        ),
    ] = None,
    against: Annotated[
        Against,
        typer.Option("--against", help="Replay against the code that is here, or demand that this ran it."),
    ] = Against.CURRENT,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the report for people, one sheet first."),
    ] = None,
    sarif_file: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF 2.1.0.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a bundle: signatures, completeness, the eleven rules over the raw events, and a replay. Nobody is asked.

    Example:
      firestation audit verify refund-agent-1a2b3c4d.tar --key station.pub --html report.html

    Next: exit code 0 when every rule was kept, or was broken and says so on the record; 1 when something is broken that
    does not, or the bundle is forged; 2 when it is no bundle.
    """
    desk = Desk.of(ctx, as_json=as_json)
    with progress("opening it") as tell:
        known = read_allowed_signers(_text(signers)) if signers else None
        former = [load_public_key(each) for each in former_key or ()]
        keys, pinned = _keys(ctx, desk, key), against is Against.PINNED
        verdict, replayed = judged(bundle, keys, tell, former=former, signers=known, pinned=pinned)
    for path, text in ((html, page(verdict)), (sarif_file, json.dumps(sarif(verdict), indent=2) + "\n")):
        if path:
            _write(path, text)
    if desk.json:
        desk.answer(verdict.data())
    else:
        _tell(desk.console, verdict, replayed)
    if not verdict.passed:
        raise typer.Exit(ExitCode.REFUSED)


def judged(
    bundle: Path,
    keys: list[PublicKey],
    tell: Callable[[str], None],
    *,
    former: Sequence[PublicKey] = (),
    signers: Sequence[AllowedSigner] | None = None,
    pinned: bool = False,
) -> tuple[Verdict, Replayed]:
    """The verdict on a bundle, and what its replay came to.

    Raises `InvalidInput` when it is no bundle, and, with `pinned`, when other code ran the incident than is here.
    """
    examined = _examined(bundle, keys, former, signers, tell)
    ran = examined.verdict.ran
    if pinned and examined.contents and ran != (build(),):
        told = ", ".join(ran) or "code that did not say what it is"
        fix = f"Verify with an installation of {told}, or with --against current"
        raise InvalidInput("--against", f"this is {build()}, and the incident was run by {told}", fix)
    replayed = _replayed(examined, tell)
    return conclude(examined, replayed), replayed


def _keys(ctx: typer.Context, desk: Desk, given: list[Path] | None) -> list[PublicKey]:
    """The keys that are trusted. Raises `InvalidInput` when there is none, and what to do then.

    A state folder counts only where it was named: one that lies beside the bundle may have come with it.
    """
    own = desk.options.state / "keys" / "station.pub"
    source = ctx.find_root().get_parameter_source("state")
    named = source is not None and source.name != "DEFAULT"
    if not given and not (named and own.exists()):
        problem = f"there is no key to trust: {own} is not there" if named else "no key was named to trust"
        fix = "Get station.pub from the station itself, not from the bundle, and name it: --key FILE"
        raise InvalidInput("--key", problem, fix)
    keys = given or [own]
    for each in keys:
        found = fingerprint(load_public_key(each))
        say(Console(stderr=True), Text(f"trusted: {plain(each)} ({found[:16]})", style=DIM))
    return [load_public_key(each) for each in keys]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--signers", f"{path} cannot be read: {error}", "Name the right file") from error


def _examined(
    bundle: Path,
    keys: list[PublicKey],
    former: Sequence[PublicKey],
    signers: Sequence[AllowedSigner] | None,
    tell: Callable[[str], None],
) -> Examined:
    def reading(done: int, total: int) -> None:
        tell(f"reading every byte, {done / MEGABYTE:.1f} of {total / MEGABYTE:.1f} MB")

    try:
        with bundle.open("rb") as file:
            return examine(
                bundle.name,
                file,
                keys,
                build(),
                former=former,
                signers=signers,
                tell=tell,
                reading=reading,
            )
    except OSError as error:
        raise InvalidInput("FILE", f"{bundle} cannot be read: {error.strerror}", "Name a bundle") from error


def _replayed(examined: Examined, tell: Callable[[str], None]) -> Replayed:
    """What a replay comes to; it is made by a program of the worker's, which knows the workflows."""
    if examined.contents is None:
        return Replayed(build=build(), why_not="nothing was replayed")
    tell(f"replaying {count(examined.contents.counts.runs, 'run')}")
    with tempfile.TemporaryDirectory() as folder:
        names = dict[str, str]()
        files = list[str]()
        parts = [part for chain in examined.contents.chains for part in chain.runs]
        runs = [run for chain in examined.family for run in chain]
        for number, (part, run) in enumerate(zip(parts, runs, strict=True)):
            path = Path(folder) / f"{number:06}.json"
            path.write_bytes(write_history(run))
            names[path.name] = part.file
            files.append(str(path))
        words = [sys.executable, "-m", "worker.replay", "--only", "--file", *files]
        try:
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                words, cwd=ROOT, capture_output=True, text=True, timeout=REPLAY_SECONDS, check=False
            )
            found = Replayed.model_validate_json(done.stdout)
        except (subprocess.TimeoutExpired, ValidationError) as error:
            return Replayed(build=build(), why_not=f"the Replayer gave no answer ({type(error).__name__})")
    if found.difference is None:
        return found
    return found.changed(difference=found.difference.changed(file=names[found.difference.file]))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotConfigured(f"{path} cannot be written: {error.strerror}") from error


def _tell(console: Console, verdict: Verdict, replayed: Replayed) -> None:
    style = BAD if verdict.broken else ASK if verdict.found else GOOD
    say(console, Text(plain(verdict.headline), style=style), hang=0)
    if verdict.incident:
        say(console, Text(f"{verdict.incident}, {plain(verdict.standing)}"))
    if verdict.key:
        say(console, Text(f"signed by the key {verdict.key}"))
        say(console, Text(f"replayed by {plain(code_of(verdict, replayed.build))}"))
    for each in verdict.held:
        told = Text.assemble(("kept    ", GOOD), f"{CHECKS[each.check]} ", (f"({plain(each.what)})", DIM))
        say(console, told, hang=8)
    for found in verdict.found:
        _finding(console, found)
    for left in verdict.unchecked:
        say(console, Text.assemble(("not checked  ", ASK), plain(left)), hang=8)


def _finding(console: Console, found: Found) -> None:
    rule = f"rule {found.rule}, {found.title}" if found.rule else found.title
    mark = ("BROKEN  ", BAD) if found.level == "broken" else ("broken, and on the record  ", ASK)
    where = f" ({found.where})" if found.where else ""
    say(console, Text.assemble(mark, plain(f"{rule}: {found.what}{where}")), hang=8)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner on standard error that says what is done; where it cannot turn, a line for each new thing."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        with console.status(Text(f"{what} ...")) as status:
            yield lambda text: status.update(Text(f"{plain(text)} ..."))
        return
    told = {what}
    console.print(Text(f"... {what}"), soft_wrap=True)

    def tell(text: str) -> None:
        thing = text.partition(",")[0]
        if thing not in told:
            told.add(thing)
            console.print(Text(f"... {plain(thing)}"), soft_wrap=True)

    yield tell


teach(audit, "export", export)
teach(audit, "verify", verify)
teach(audit, "run", run)
