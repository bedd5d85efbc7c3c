"""Verifying a bundle, without a server, a network or any trust in the workflow's code.

`examine` makes every check but the replay, which needs Temporal's Replayer: whoever has it tells `conclude` what came
of it. Nothing is computed of a file before the signature over it holds.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from firestation import bundle_checks, signing
from firestation.allowed_signers import AllowedSigner
from firestation.archive import Archive, Forged, Tell
from firestation.bundle import (
    BUNDLE_TYPE,
    MOST_BYTES,
    STATEMENT,
    STATION_KEY,
    Contents,
)
from firestation.bundle_files import Derived, History, contents, derive, write_history
from firestation.errors import InvalidInput
from firestation.evidence import STATEMENT_TYPE
from firestation.model import Line, Model, Text, count
from firestation.verdict import CheckName, Found, Held, Verdict

LARGEST_STATEMENT = 64 * 1024 * 1024
UNREADABLE = (InvalidInput, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What a history raises that says nonsense."""

OTHER_VERSION = (
    "Whether another version makes another record: verify it with firestation {} too, which wrote it."
)
OTHER_WORDS = (
    "What README.txt tells people to type: firestation {} wrote it, and it was not compared. Read it first."
)
NO_KEY = "Give the public key that you have from the station itself: --key station.pub"


class Difference(Model):
    """Where the code decides otherwise today: the run, its file, and the words of the Replayer."""

    run: Line
    file: Line
    what: Text
    event_id: int | None = None


class Replayed(Model):
    """What a replay came to. `build` is the code that ran it; `why_not` says why there was none."""

    build: Line
    runs: int = 0
    difference: Difference | None = None
    why_not: Text | None = None


class Examined(NamedTuple):
    """A bundle that was read: the verdict so far, and its chains where they may be replayed."""

    verdict: Verdict
    family: list[list[History]]
    contents: Contents | None


class _Stop(Exception):
    def __init__(self, *found: Found) -> None:
        super().__init__()
        self.found = found


def examine(
    name: str,
    file: BinaryIO,
    keys: Sequence[signing.PublicKey],
    verified_by: str,
    *,
    former: Sequence[signing.PublicKey] = (),
    signers: Sequence[AllowedSigner] | None = None,
    tell: Callable[[str], None] | None = None,
    reading: Tell | None = None,
) -> Examined:
    """Every check but the replay. `tell` is told what is looked at next, `reading` how much of the file is read.

    One of `keys` has signed the bundle; with `former` a station sealed manifests before its key was changed.
    `signers` are keys of people that the verifier has from elsewhere: by them, too, every signed decision must hold.

    Raises `InvalidInput` when the file is no bundle, or when there is no key to verify with.
    """
    if not keys:
        raise InvalidInput("--key", "there is no key that you trust", NO_KEY)
    examiner = _Examiner(
        name,
        keys=keys,
        sealing=(*keys, *former),
        signers=signers,
        verified_by=verified_by,
        tell=tell or (lambda _: None),
    )
    try:
        return examiner.examine(file, reading)
    except _Stop as stop:
        return examiner.stopped(stop.found)
    except Forged as error:
        return examiner.stopped((_broken("archive", str(error), file=error.file or None),))


class _Examiner:
    def __init__(
        self,
        name: str,
        *,
        keys: Sequence[signing.PublicKey],
        sealing: Sequence[signing.PublicKey],
        signers: Sequence[AllowedSigner] | None,
        verified_by: str,
        tell: Callable[[str], None],
    ) -> None:
        self.keys, self.sealing, self.signers, self.tell = keys, sealing, signers, tell
        self.signer = keys[0]  # until it is known which of them has signed
        self.verdict = Verdict(bundle=name, verified_by=verified_by)

    def examine(self, file: BinaryIO, reading: Tell | None) -> Examined:
        self.tell("reading every byte")
        archive = self._open(file, reading)
        told = self._signed(archive)
        self.tell("reading the histories")
        family = self._histories(archive, told)
        self.tell("judging the rules again")
        found = self._derive(family)
        self.verdict = self.verdict.changed(ran=found.builds)
        self._broke("record", bundle_checks.record(archive, told, found, contents))
        by = self.verdict.verified_by
        self._broke("record", bundle_checks.enclosed(archive, told, found, self.signer, by))
        if self.verdict.broken and told.made_by != self.verdict.verified_by:
            self.verdict = self.verdict.changed(unchecked=(OTHER_VERSION.format(told.made_by),))
        held = f"{told.counts.record} entries made again from {told.counts.events} raw events"
        self._hold("record", held)
        self.tell("verifying manifests, evidence and decisions")
        self._broke("evidence", bundle_checks.evidence(archive, told, found, self.sealing))
        artifacts = "named, not enclosed" if told.digests_only else "read through"
        manifests = count(told.counts.manifests, "signed manifest")
        self._hold("evidence", f"{manifests}, {count(told.counts.artifacts, 'artifact')} {artifacts}")
        self._broke("decisions", bundle_checks.decisions(found, self.signers))
        decided = f"{told.counts.signed} of {count(told.counts.decisions, 'decision')} signed with a key"
        self._hold(
            "decisions", f"{decided}{', by keys that you gave too' if self.signers is not None else ''}"
        )
        self._broke("rules", bundle_checks.rules(found))
        self._hold("rules", f"{count(len(found.judged.report.rules), 'rule')} over every event")
        unchecked = tuple(bundle_checks.unchecked(told, found))
        unchecked = (*self.verdict.unchecked, *unchecked)
        if told.made_by != self.verdict.verified_by:
            unchecked = (*unchecked, OTHER_WORDS.format(told.made_by))
        return Examined(self.verdict.changed(unchecked=unchecked), family, told)

    def stopped(self, found: tuple[Found, ...]) -> Examined:
        """The verdict when nothing more may be looked at."""
        why = "Nothing further was looked at: it would be computed of what nobody vouches for."
        told = {"found": (*self.verdict.found, *found), "unchecked": (*self.verdict.unchecked, why)}
        return Examined(self.verdict.changed(**told), [], None)

    def _open(self, file: BinaryIO, reading: Tell | None) -> Archive:
        try:
            archive = Archive(file, reading)
        except Forged as error:
            raise _Stop(_broken("archive", str(error), file=error.file or None)) from None
        self._hold("archive", count(len(archive.members), "file"))
        return archive

    def _signed(self, archive: Archive) -> Contents:
        """The statement, and that every file is the one it names. Raises `_Stop`."""
        if STATEMENT not in archive.members:
            what = "there is no statement: nobody has signed what is in here"
            raise _Stop(_broken("signature", what, file=STATEMENT))
        try:
            envelope = archive.read(STATEMENT, LARGEST_STATEMENT)
            said = signing.verify(envelope, self.keys)
            signer = next(key for key in self.keys if _verifies(envelope, key))
        except InvalidInput as error:
            raise _Stop(_broken("signature", self._untrusted(archive, error), file=STATEMENT)) from None
        if said.get("_type") != STATEMENT_TYPE or said.get("predicateType") != BUNDLE_TYPE:
            what = f"what is signed is no statement over a bundle, but {said.get('predicateType')!r}"[:300]
            raise _Stop(_broken("signature", what, file=STATEMENT))
        self.signer, fingerprint = signer, signing.fingerprint(signer)
        self.verdict = self.verdict.changed(key=fingerprint)
        self._hold("signature", f"the key {fingerprint[:16]}")
        self._complete(archive, said)
        try:
            told = Contents.model_validate(said.get("predicate"))
        except ValidationError as error:
            raise _Stop(_broken("signature", f"its predicate cannot be read: {error}", STATEMENT)) from None
        self.verdict = self.verdict.changed(
            incident=told.incident,
            standing=told.standing,
            made_by=told.made_by,
            counts=told.counts,
            digests_only=told.digests_only,
        )
        return told

    def _untrusted(self, archive: Archive, error: InvalidInput) -> str:
        """Why the signature does not count; where the bundle's own key fits, what to do about that."""
        if error.field != "envelope.signatures" or STATION_KEY not in archive.members:
            return str(error)
        try:
            own = signing.read_public_key(archive.read(STATION_KEY, 100_000), STATION_KEY)
            signing.verify(archive.read(STATEMENT, LARGEST_STATEMENT), [own])
        except InvalidInput:
            return str(error)
        return (
            f"it is signed by the key {signing.fingerprint(own)}, which is in the bundle itself and is none that you "
            "trust. A bundle cannot vouch for itself: ask the station's people for that number, and when theirs is the "
            "same, save station.pub from the bundle and give it with --key"
        )

    def _complete(self, archive: Archive, said: dict[str, Any]) -> None:
        found = list(bundle_checks.completeness(archive, said))
        if found:
            raise _Stop(*found)
        self._hold(
            "completeness", f"{count(len(archive.members) - 1, 'file')} with the digests that were signed"
        )

    def _histories(self, archive: Archive, told: Contents) -> list[list[History]]:
        """The chains, each run whole and in its place. Raises `_Stop`."""
        family = list[list[History]]()
        for chain in told.chains:
            runs = list[History]()
            for part in chain.runs:
                runs.append(_history(archive, part.file))
            family.append(runs)
        found = list(bundle_checks.chain(told, family))
        if found:
            raise _Stop(*found)
        self._hold("chain", f"{count(told.counts.runs, 'run')} of {count(len(family), 'workflow')}")
        return family

    def _derive(self, family: list[list[History]]) -> Derived:
        try:
            return derive(family)
        except UNREADABLE as error:
            raise _Stop(_broken("chain", f"the histories cannot be judged: {error}")) from None

    def _broke(self, check: CheckName, found: Iterator[Found]) -> None:
        del check
        self.verdict = self.verdict.changed(found=(*self.verdict.found, *found))

    def _hold(self, check: CheckName, what: str) -> None:
        if not any(each.check == check for each in self.verdict.broken):
            self.verdict = self.verdict.changed(held=(*self.verdict.held, Held(check=check, what=what)))


def _verifies(envelope: bytes, key: signing.PublicKey) -> bool:
    try:
        signing.verify(envelope, [key])
    except InvalidInput:
        return False
    return True


def _history(archive: Archive, file: str) -> History:
    """One run. Raises `_Stop` unless it is in the one form that a bundle has it in.

    Another form could mean something else to another reader: a key that is there twice, for one.
    """
    try:
        content = archive.read(file, MOST_BYTES)
        read: History = json.loads(content)
        if write_history(read) == content:
            return read
        what = "its bytes are not in the one form of a history in a bundle"
    except Forged as error:
        what = str(error)
    except (ValueError, TypeError, RecursionError) as error:
        what = f"this is no history: {error}"
    raise _Stop(_broken("chain", what, file=file))


def _broken(check: CheckName, what: str, file: str | None = None) -> Found:
    return bundle_checks.broken(check, what, file=file)


def conclude(examined: Examined, replayed: Replayed) -> Verdict:
    """The whole verdict, with the replay in it."""
    verdict = examined.verdict
    if examined.contents is None:
        return verdict
    if replayed.why_not:
        found = _broken("replay", f"it could not be replayed: {replayed.why_not}")
        return verdict.changed(found=(*verdict.found, found))
    code = code_of(verdict, replayed.build)
    if replayed.difference is None:
        held = Held(check="replay", what=f"{count(replayed.runs, 'run')}, by {code}")
        return verdict.changed(held=(*verdict.held, held))
    other = replayed.difference
    found = bundle_checks.broken(
        "replay",
        f"{code} decides otherwise: {other.what}",
        file=other.file,
        run=other.run,
        event_id=other.event_id,
    )
    return verdict.changed(found=(*verdict.found, found))


def code_of(verdict: Verdict, build: str) -> str:
    """Which code replayed it, and whether that is the code that ran it."""
    if verdict.ran == (build,):
        return f"the very code that ran it, {build}"
    return (
        f"the code that is here, {build}; it was run by {', '.join(verdict.ran) or 'code that said nothing'}"
    )
