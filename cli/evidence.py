"""Reading the evidence: what was frozen, what differs from a healthy request, and whether a byte has changed."""

import base64
import hashlib
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.client import Gateway
from cli.desk import As, Desk, Incident, Json
from cli.differences import changes, tell
from cli.errors import ExitCode
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, GOOD, command, say
from cli.teach import teach
from firestation import custody
from firestation.comparison import Comparison, then_and_now
from firestation.differing import beside, documents, healthy, levers, of_request, requests
from firestation.drivers.age import decrypt
from firestation.errors import Gone, InvalidInput, Nonsense
from firestation.evidence import ArtifactRef, Sealed, complaint
from firestation.files import create_whole
from firestation.model import count
from firestation.picture import Picture, attached, exhibits
from firestation.signing import load_public_key

evidence = typer.Typer(no_args_is_help=True, help="The frozen evidence: list it, compare it, check it.")

Identity = Annotated[
    Path | None,
    typer.Option(
        "--identity", metavar="FILE", help="Your age key file, for evidence that is encrypted to you."
    ),
]
Exhibit = Annotated[
    str, typer.Argument(metavar="DIGEST", help="The digest, or its first 8 characters or more.")
]


MOST_BYTES = 16_000_000
"""An artifact that is bigger is no document to compare."""


@dataclass
class Room:
    """The snapshot room of one incident: its picture, its seal, and the way to its bytes."""

    desk: Desk
    gateway: Gateway
    seen: Picture
    identity: Path | None = None

    @classmethod
    def of(
        cls,
        ctx: typer.Context,
        incident: str,
        who: str | None,
        *,
        as_json: bool,
        identity: Path | None = None,
    ) -> "Room":
        """The room of this incident."""
        desk = Desk.of(ctx, who, as_json=as_json)
        gateway = desk.gateway()
        return cls(desk, gateway, gateway.picture(gateway.find(incident)), identity)

    @property
    def sealed(self) -> Sealed:
        """The seal. Raises `Gone` when there is none yet."""
        if self.seen.sealed is None:
            raise Gone(f"{self.seen.incident} has no sealed evidence yet; firestation show tells when it has")
        return self.seen.sealed

    @property
    def seals(self) -> tuple[Sealed, ...]:
        """The seal, and those of what came late."""
        return (self.sealed, *self.seen.supplements)

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """All that is sealed."""
        return tuple(artifact for seal in self.seals for artifact in seal.artifacts)

    @property
    def closed(self) -> tuple[ArtifactRef, ...]:
        """What is encrypted, while no identity is named."""
        return tuple(each for each in self.artifacts if each.encryption and self.identity is None)

    def read(self, digest: str) -> Iterator[bytes]:
        """The bytes of a digest, as they are kept, in pieces."""
        return self.gateway.evidence(self.seen.incident, digest)

    def open(self, digest: str) -> bytes:
        """The bytes of a digest, decrypted. Raises `InvalidInput` when that needs an identity."""
        content = b"".join(self.read(digest))
        sealed = self.artifacts if self.seen.sealed else ()
        artifact = next((each for each in sealed if each.digest == digest), None)
        if artifact is None or artifact.encryption is None:
            return content
        if self.identity is None:
            problem = f"{artifact.name} is encrypted to {', '.join(artifact.encryption.recipients)}"
            raise InvalidInput("--identity", problem, "Name the key file of one of them: --identity FILE")
        try:
            opened = decrypt(content, self.identity.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                "--identity", f"{self.identity} cannot be read", "Name an age key file"
            ) from error
        if hashlib.sha256(opened).hexdigest() != artifact.encryption.digest:
            raise Nonsense(f"what {artifact.name} decrypts to is not what the manifest says was encrypted")
        return opened

    def whole(self, digest: str) -> str:
        """The whole digest. Raises `InvalidInput` unless exactly one of the incident's begins so."""
        known = exhibits(self.seen)
        found = [each for each in known if each.startswith(digest)]
        if len(found) != 1 or len(digest) < 8:  # noqa: PLR2004 - eight characters, as everywhere
            problem = f"{len(found)} pieces of this incident's evidence begin with {digest[:80]!r}"
            fix = f"Copy 8 or more characters from: firestation evidence list {self.seen.incident}"
            raise InvalidInput("digest", problem, fix)
        return found[0]


def list_evidence(ctx: typer.Context, incident: Incident, *, who: As = None, as_json: Json = False) -> None:
    """List what was frozen, where each lever stood, and what could not be had and why.

    Example:
      firestation evidence list refund-agent-1a2b3c4d

    Next: `firestation evidence show INCIDENT DIGEST` for one piece.
    """
    room = Room.of(ctx, incident, who, as_json=as_json)
    console = room.desk.console
    files = attached(room.seen)
    if room.desk.json:
        seals = [seal.model_dump(mode="json") for seal in room.seals]
        by_people = [each.model_dump(mode="json") for each in files]
        room.desk.answer({**seals[0], "supplements": seals[1:], "attachments": by_people})
        return
    for seal in room.seals:
        _list(console, seal)
    if files:
        console.print("attached by people, no part of the manifest: their digests stand in the history")
    for each in files:
        told = f"{each.by}: {plain(each.name, SHORT)}, {each.size:,} bytes, {each.media_type}"
        say(console, Text.assemble((each.digest[:12], GOOD), f"  {told}"), indent=2, hang=14)
    command(console, f"firestation evidence diff {room.seen.incident}")


def show_evidence(
    ctx: typer.Context,
    incident: Incident,
    digest: Exhibit,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="The very bytes, for a file: what they are is not made safe.")
    ] = False,
    identity: Identity = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Print one piece of evidence; what a terminal would obey is written out.

    Example:
      firestation evidence show refund-agent-1a2b3c4d 9f8e7d6c

    Next: `--raw > FILE` keeps the very bytes.
    """
    room = Room.of(ctx, incident, who, as_json=as_json, identity=identity)
    whole = room.whole(digest)
    if raw and not room.desk.json and identity is None:
        for piece in room.read(whole):
            sys.stdout.buffer.write(piece)
        return
    content = room.open(whole)
    if room.desk.json:
        room.desk.answer({"digest": whole, "base64": base64.b64encode(content).decode()})
        return
    if raw:
        sys.stdout.buffer.write(content)
        return
    try:
        text = json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except ValueError:
        text = content.decode(errors="backslashreplace")
    for line in text.splitlines():
        room.desk.console.print(Text(line[: len(line) - len(line.lstrip())] + plain(line)), soft_wrap=True)


def diff(
    ctx: typer.Context,
    incident: Incident,
    *,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="Which bad request; otherwise the first.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also ids and times, which always differ.")] = False,
    identity: Identity = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show what differs: a bad request from the healthy one most like it, and what was frozen from what was before.

    Example:
      firestation evidence diff refund-agent-1a2b3c4d

    Next: what differs is where to look; note it with `firestation note`.
    """
    room = Room.of(ctx, incident, who, as_json=as_json, identity=identity)
    others = [document for each in healthy(room.artifacts) for document in _documents(room, each)]
    bad, made = beside(_bad(room, request), others)
    changed = dict(_then_and_now(room))
    stood = list(levers(room.seen))
    if room.desk.json:
        told = made.model_dump(mode="json") if made else None
        since = {name: before.model_dump(mode="json") for name, before in changed.items()}
        answer = {"bad": bad.name, "comparison": told, "then_and_now": since}
        room.desk.answer({**answer, "levers": [list(each) for each in stood]})
        return
    console = room.desk.console
    if made is None:
        say(
            console,
            Text("There is no healthy request to compare with: no source gave a control sample.", style=ASK),
        )
    else:
        shown = made.differences if every else made.telling
        console.print(Text(f"{plain(bad.name)}, beside the healthy request most like it:", style="bold"))
        console.print(Text(f"{len(shown)} differences, {made.same} values are the same"))
        for each in shown:
            tell(console, each)
    if changed:
        console.print()
        console.print(Text("As it was, and as it was frozen", style="bold"))
        for name, before in changed.items():
            changes(console, name, before, every=every)
    if room.closed:
        what = f"{count(len(room.closed), 'piece')} of evidence encrypted: --identity FILE looks into it"
        say(console, Text(what, style=ASK), indent=2)
    console.print()
    console.print(Text("Levers, when the evidence was sealed and as the record has them now", style="bold"))
    for name, then, now in stood:
        moved = then != now
        say(
            console,
            Text(f"{name}: {then}{f' -> {now}' if moved else ''}", style=ASK if moved else ""),
            indent=2,
        )
    command(console, f"firestation note {room.seen.incident} '…' --as NAME")


def verify(
    ctx: typer.Context,
    incident: Incident,
    *,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="The station's public key; otherwise keys/station.pub of the state.",
        ),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Check the signature, the manifest and every byte of every piece; name the first thing that is wrong.

    Example:
      firestation evidence verify refund-agent-1a2b3c4d

    Next: exit code 0 says that nothing was altered since it was sealed; 1 says what was.
    """
    room = Room.of(ctx, incident, who, as_json=as_json)
    public = load_public_key(key or room.desk.options.state / "keys" / "station.pub")
    held: list[str] = []
    wrong: InvalidInput | None = None
    try:
        seals = (custody.verify(seal, room.read, [public]) for seal in room.seals)
        files = (custody.weigh(complaint(each, room.seen.as_of), room.read) for each in attached(room.seen))
        for link in itertools.chain(itertools.chain.from_iterable(seals), files):
            held.append(link)
            if not room.desk.json:
                say(room.desk.console, Text.assemble(("holds  ", GOOD), plain(link, SHORT)), hang=7)
    except InvalidInput as error:
        wrong = error
    if room.desk.json:
        room.desk.answer({"verified": wrong is None, "holds": held, "wrong": str(wrong) if wrong else None})
    elif wrong:
        say(room.desk.console, Text.assemble(("BROKEN ", BAD), plain(wrong)), hang=7)
    else:
        room.desk.console.print(Text(f"Nothing was altered: {len(held)} links hold.", style=GOOD))
    if wrong:
        raise typer.Exit(ExitCode.REFUSED)


def export(
    ctx: typer.Context,
    incident: Incident,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Write the manifest, its envelope and every artifact into a folder, for somebody who has no station.

    Example:
      firestation evidence export refund-agent-1a2b3c4d evidence-of-the-night

    Next: scripts/verify_manifest DIR KEY checks it with public tools and none of our code.
    """
    room = Room.of(ctx, incident, who, as_json=as_json)
    names = ["", *(f"supplement-{number}/" for number in range(1, len(room.seals)))]
    try:
        (folder / "sha256").mkdir(parents=True)
    except FileExistsError:
        raise InvalidInput("DIR", f"{folder} is there already", "Name a folder that is not") from None
    files = {f"sha256/{each.digest}": each.digest for each in room.artifacts}
    for name, seal in zip(names, room.seals, strict=True):
        (folder / name).mkdir(exist_ok=True)
        files |= {f"{name}manifest.json": seal.manifest, f"{name}envelope.json": seal.envelope}
    for name, digest in files.items():
        create_whole(folder / name, room.read(digest), 0o600)
    if room.desk.json:
        room.desk.answer({"folder": str(folder), "files": sorted(files)})
        return
    room.desk.console.print(Text(f"{len(files)} files in {plain(folder)}"))


def _list(console: Console, seal: Sealed) -> None:
    what = f"supplement of {seal.supplements[:12]}:" if seal.supplements else "manifest"
    console.print(Text(f"{what} {seal.manifest[:12]}, signed in {seal.envelope[:12]}"))
    if seal.protection:
        say(console, Text(f"kept in {plain(seal.protection)}"), indent=2, hang=2)
    for each in seal.artifacts:
        what = f"{each.source}: {plain(each.name, SHORT)}, {each.size:,} bytes"
        say(console, Text.assemble((each.digest[:12], GOOD), f"  {what}"), indent=2, hang=14)
        if each.encryption:
            say(console, Text(f"encrypted to {', '.join(each.encryption.recipients)}"), indent=16, hang=2)
        for lost in each.redactions:
            say(
                console,
                Text(f"{lost.how} {count(lost.times, 'time')}: {plain(lost.what)}"),
                indent=16,
                hang=2,
            )
    for lever in seal.levers:
        stood = plain(lever.position, SHORT) if lever.position else "could not be read"
        say(console, Text(f"lever         {lever.lever}: {stood}"), indent=2, hang=14)
    for gap in seal.gaps:
        told = f"{gap.item}: {gap.reason}: {plain(gap.detail, SHORT)}"
        say(console, Text.assemble(("gap           ", ASK), told), indent=2, hang=14)


def _bad(room: Room, request: str | None) -> list[tuple[ArtifactRef, Any]]:
    """What was frozen of the first request that the alarms name, or of the one that was asked for."""
    for name in (request,) if request else requests(room.seen):
        ours = of_request(room.artifacts, name)
        found = [(artifact, document) for artifact in ours for document in _documents(room, artifact)]
        if found:
            return found
    named = f"the request {request}" if request else "a request that the alarms name"
    fix = "Name one with --request; firestation evidence list shows what there is"
    raise InvalidInput("request", f"no artifact is the trace of {named}", fix)


def _then_and_now(room: Room) -> Iterator[tuple[str, Comparison]]:
    """What sources froze as it was and as it is, by name."""
    for artifact in room.artifacts:
        readable = artifact.media_type == "application/json" and artifact not in room.closed
        if readable and artifact.size <= MOST_BYTES:
            for document in _documents(room, artifact):
                made = then_and_now(document)
                if made is not None:
                    yield artifact.name, made


def _documents(room: Room, artifact: ArtifactRef) -> list[Any]:
    return documents(room.open(artifact.digest))


teach(evidence, "list", list_evidence)
teach(evidence, "show", show_evidence)
teach(evidence, "diff", diff)
teach(evidence, "verify", verify)
teach(evidence, "export", export)
