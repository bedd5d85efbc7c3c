"""The first file of a bundle: what it is, and how anybody checks it with tools that are not ours."""

from collections.abc import Iterator

from firestation.bundle import SIGNERS, Contents
from firestation.bundle_files import Derived
from firestation.decision import NAMESPACE

HEAD = """\
Firestation audit bundle, format {format}
=========================================

Incident {incident}, {standing}.{drill}
{chains}
Written by firestation {made_by}.

Everything here is what the incident's workflows, its evidence store and its people left behind; nothing was added.
The best check is `firestation audit verify FILE --key station.pub`, with a key that you have from the station itself
and not from this bundle. Everything below works without any program of Firestation's.
"""

DRILL = "\nTHIS IS A DRILL: a rehearsal with a fault that was set on purpose. Nothing of it was said to the public."

BODY = """\
1. Nothing was altered, added or cut off
----------------------------------------

    tar -xf FILE

STATEMENT.json is an in-toto statement in a DSSE envelope (https://github.com/secure-systems-lab/dsse). Any DSSE
verifier checks its signature with the station's public key; station.pub is a copy of it, to compare and not to trust.
The statement's subjects are all other files with their SHA-256, its predicate says how many events, runs, artifacts and
decisions there are. A file that it does not name does not belong here.

2. What happened
----------------

histories/ holds each run of each workflow as `temporal workflow show --output json` prints it: the Replayer of any
Temporal SDK reads it, with the workflow's code. Evidence stands in it by digest only. record.json is the incident's
record, numbered: which run and which event (`eventId`) each entry was made of. code.json says which workers ran it, and
with which build of the code. pinned/ is the runbook, the system and the people that it was opened with.

3. The evidence
---------------

evidence/manifest.json was signed in evidence/envelope.json, again DSSE and in-toto, before any lever moved; what came
late is in supplement-N. {artifacts}

4. Who decided
--------------

{decisions}
"""

ENCLOSED = """Each artifact is in evidence/sha256/ under its digest, so `sha256sum` checks it; evidence/artifacts.json
says what each of them is, and which are encrypted to whom (age)."""
NAMED = """The artifacts themselves are not enclosed: evidence/artifacts.json names them with their
digests, and whoever holds them checks them with `sha256sum`."""
UNSIGNED = "No decision was signed with a key of its own: who decided stands in the histories, as the station took it."
SIGNED = "Each signed decision is a file in decisions/, with its SSH signature beside it:\n"


def readme(found: Derived, told: Contents) -> bytes:
    """The text, in lines of plain ASCII."""
    chains = "\n".join(_chains(told))
    head = HEAD.format(
        format=told.format,
        incident=told.incident,
        standing=told.standing,
        drill=DRILL if told.drill else "",
        chains=chains,
        made_by=told.made_by,
    )
    decisions = "\n".join([SIGNED, *_commands(found)]) if found.decisions else UNSIGNED
    body = BODY.format(artifacts=NAMED if told.digests_only else ENCLOSED, decisions=decisions)
    return f"{head}\n{body}".encode("ascii", "backslashreplace")


def _chains(told: Contents) -> Iterator[str]:
    for chain in told.chains:
        events = sum(run.last_event for run in chain.runs)
        yield f"Workflow {chain.workflow} ({chain.type}): {len(chain.runs)} runs, {events} events."
    for each in told.absent:
        yield f"ABSENT: {each.digest}, which the station could not give any more."


def _commands(found: Derived) -> Iterator[str]:
    for each in found.decisions:
        at = each.entry.event.at
        yield (
            f"    ssh-keygen -Y verify -f {SIGNERS} -I {each.act.by} -n {NAMESPACE} \\\n"
            f"      -O verify-time={at:%Y%m%d%H%M%S}Z -s {each.file}.sig < {each.file}"
        )
