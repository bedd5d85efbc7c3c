"""Signed decisions: made with the SSH key that a captain already has, exported, and verified without the station."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from cli.clockface import instant
from cli.desk import As, Desk, Incident, Json
from cli.errors import ExitCode
from cli.perform import digest
from cli.plain import plain
from cli.show import GOOD, command, say
from cli.teach import teach
from firestation.allowed_signers import read_allowed_signers, write_allowed_signers
from firestation.decision import GOOD_FOR, NAMESPACE, Decision, Signed, read_decision
from firestation.errors import Gone, InvalidInput, NotConfigured
from firestation.files import create_whole
from firestation.firebreak import Decided, Firebreak
from firestation.picture import Picture
from firestation.settings import agent_socket
from firestation.ssh_keys import is_locked
from firestation.sshsig import sign, sign_by_agent, verify

LARGEST_BYTES = 1_000_000

decision = typer.Typer(
    no_args_is_help=True, help="Signed decisions: export them, verify them without a station."
)


def signed(
    desk: Desk,
    seen: Picture,
    kind: Literal["approve", "refuse"],
    action: str,
    *,
    reason: str | None,
    key: Path,
) -> Signed:
    """The decision on this action, signed.

    A key that ends in .pub, or whose private half is not there, signs by the ssh-agent: so do security keys and smart
    cards. Raises `InvalidInput` and `NotConfigured` for the key, and what `sshsig.sign_by_agent` raises.
    """
    if desk.person is None:
        raise InvalidInput(
            "--as", "a signature is somebody's", "Say who you are: --as NAME or FIRESTATION_AS"
        )
    now = datetime.now(UTC)
    made = Decision(
        incident=seen.incident,
        run=seen.run,
        kind=kind,
        action=action,
        by=desk.person,
        at=now,
        expires_at=now + GOOD_FOR,
        reason=reason,
    )
    return Signed(decision=made.canonical().decode(), signature=_sign(made, key))


def _sign(made: Decision, key: Path) -> str:
    public = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    if key.suffix == ".pub" or (not key.exists() and public.exists()):
        agent = agent_socket()
        typer.echo("Waiting for the ssh-agent; touch the security key if it blinks.", err=True)
        return sign_by_agent(made, _text(public), agent)
    passphrase = None
    if is_locked(key):
        passphrase = typer.prompt(f"Passphrase of {key}", hide_input=True, err=True).encode()
    return sign(made, key, passphrase)


def export(
    ctx: typer.Context,
    incident: Incident,
    action: Annotated[str, typer.Argument(metavar="DIGEST", help="The action's digest, or its beginning.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write to.")],
    who: As = None,
    as_json: Json = False,
) -> None:
    """Write the signed decisions on an action into files, with the keys that were allowed to sign then.

    Example:
      firestation decision export refund-agent-1a2b3c4d 9f8e7d6c5b4a --out decisions

    Next: `ssh-keygen -Y verify` accepts each of them, and so does `firestation decision verify`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    firebreak = pick(seen, digest(action))
    decided = [(each, each.signed) for each in firebreak.decisions if each.signed]
    if not decided:
        raise Gone(f"nobody has signed a decision on {firebreak.digest[:12]}")
    out.mkdir(parents=True, exist_ok=True)
    signers = [line for each, _ in decided for line in seen.signers.get(each.by, ())]
    _write(out / "allowed_signers", write_allowed_signers(dict.fromkeys(signers)))
    told = [_export(out, firebreak, each, word) for each, word in decided]
    if desk.json:
        desk.answer({"incident": seen.incident, "decisions": told})
        return
    for each in told:
        say(desk.console, Text.assemble(("wrote ", GOOD), f"{each['decision']} and its signature"))
        command(desk.console, str(each["verify"]))


def _export(out: Path, firebreak: Firebreak, each: Decided, word: Signed) -> dict[str, str]:
    name = out / f"{firebreak.digest[:12]}-{each.kind}-{each.by}"
    _write(name, word.decision)
    _write(name.with_name(f"{name.name}.sig"), word.signature)
    check = (
        f"ssh-keygen -Y verify -f {out / 'allowed_signers'} -I {each.by} -n {NAMESPACE} "
        f"-O verify-time={each.at:%Y%m%d%H%M%S}Z -s {name}.sig < {name}"
    )
    return {"by": each.by, "at": each.at.isoformat(), "decision": str(name), "verify": check}


def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The decision as it was signed.")],
    *,
    signers: Annotated[
        Path, typer.Option("--signers", metavar="FILE", help="The allowed_signers of that time.")
    ],
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="Its signature; otherwise FILE.sig.")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="When the station got it, as the export says.")
    ],
    as_json: Json = False,
) -> None:
    """Verify a signed decision. No station is asked.

    Example:
      firestation decision verify 9f8e7d6c5b4a-approve-ana --signers allowed_signers --at 2026-11-25T03:10:00Z

    Next: exit code 1 when it does not hold, with the reason.
    """
    desk = Desk.of(ctx, as_json=as_json)
    content = _text(file).encode()
    read = read_decision(content)
    armored = _text(signature or file.with_name(f"{file.name}.sig"))
    moment = instant("--at", at)
    try:
        signer = verify(armored, content, read_allowed_signers(_text(signers)), at=moment)
    except InvalidInput as error:
        if desk.json:
            desk.answer({"holds": False, "why": str(error)})
        else:
            say(desk.console, Text.assemble(("does not hold ", "bold red"), plain(str(error))))
        raise typer.Exit(ExitCode.REFUSED) from None
    if desk.json:
        desk.answer({"holds": True, **read.model_dump(mode="json"), "signer": signer.model_dump(mode="json")})
        return
    what = f"{read.by} {read.kind}s {read.action} of {read.incident}, run {read.run}"
    say(desk.console, Text.assemble(("holds ", GOOD), plain(what, 300)))
    say(desk.console, Text(f"signed with {signer.fingerprint} ({signer.key_type})"), indent=2)


def pick(seen: Picture, prefix: str) -> Firebreak:
    """The firebreak whose digest begins so. Raises `InvalidInput` when none or several do."""
    found = [each for each in seen.firebreaks if each.digest.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(each.digest[:12] for each in seen.firebreaks) or "none"
    problem = f"{len(found)} actions of this incident begin with {prefix}"
    raise InvalidInput("digest", problem, f"The incident has {known}")


def _text(path: Path) -> str:
    """A small text file. Raises `NotConfigured` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES).decode("utf-8")
    except OSError as error:
        raise NotConfigured(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(str(path), "it is no text", "Name the right file") from error


def _write(path: Path, text: str) -> None:
    """Write the file if it is not there. Raises `InvalidInput` when another one is."""
    create_whole(path, text.encode(), 0o644)
    if path.read_bytes() != text.encode():
        raise InvalidInput("--out", f"{path} is there already and is another file", "Name a new folder")


def sign_fields(
    desk: Desk,
    incident: str,
    kind: Literal["approve", "refuse"],
    action: str,
    *,
    reason: str | None,
    key: Path | None,
) -> dict[str, Any]:
    """The action as an act names it, and where a key is given the signed decision on the whole of it."""
    if key is None:
        return {"action": action}
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    whole = pick(seen, action).digest
    return {
        "action": whole,
        "signed": signed(desk, seen, kind, whole, reason=reason, key=key).model_dump(mode="json"),
    }


teach(decision, "export", export)
teach(decision, "verify", check)
