"""The snapshot room: freeze what each source has, read each lever, seal it all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.errors import Denied, DriverError, Gone, Nonsense, Withheld
from firestation.evidence import ArtifactRef, Collected, Gap, LeverState, Sealed, statement
from firestation.model import canonical_json
from firestation.orders import CollectOrder, KeepOrder, ReadOrder, SealOrder
from firestation.pieces import Counting
from firestation.ports import Artifact, Bench, EvidenceStore, Signer, Stored
from firestation.privacy import Cipher, Encryption, Pieces, Privacy, Redaction, Redactor, redactions

TRIES = 3
Kept = tuple[Stored, tuple[Redaction, ...], Encryption | None]


class SnapshotActivities:
    """Reads only. Everything that is kept is content-addressed, so doing it twice changes nothing."""

    def __init__(
        self, bench: Bench, store: EvidenceStore, signer: Signer, redactor: Redactor, cipher: Cipher
    ) -> None:
        self.bench, self.store, self.signer = bench, store, signer
        self.redactor, self.cipher = redactor, cipher

    @activity.defn(name="collect")
    async def collect(self, order: CollectOrder) -> Collected:
        """Freeze one source. What it could not give becomes a gap; what it gave before that is kept."""
        kept: list[ArtifactRef] = []
        trouble: tuple[str, str] | None = None
        async with beating():
            try:
                async with asyncio.timeout(order.source.time_box.total_seconds()):
                    trouble = await self._freeze(order, kept)
            except TimeoutError:
                trouble = ("timed-out", f"not done within {order.source.time_box}")
            except DriverError as error:
                if error.retryable and activity.info().attempt < TRIES:
                    with as_failures():
                        raise
                trouble = (_reason(error), str(error))
        return Collected(source=order.source.id, artifacts=tuple(kept), gaps=_gaps(order, kept, trouble))

    async def _freeze(self, order: CollectOrder, kept: list[ArtifactRef]) -> tuple[str, str] | None:
        """Keep each artifact as privacy allows; what it does not allow at all is the trouble."""
        trouble = None
        with as_failures():
            source = self.bench.source(order.source)
        async for artifact in source.collect(order.scope):
            try:
                stored, taken_out, encryption = await self._keep(artifact, order.source.privacy)
            except Withheld as error:
                trouble = (_reason(error), f"{artifact.name}: {error}")
                continue
            kept.append(
                ArtifactRef(
                    digest=stored.digest,
                    size=stored.size,
                    media_type=artifact.media_type,
                    name=artifact.name,
                    source=order.source.id,
                    provides=artifact.provides,
                    collected_at=datetime.now(UTC),
                    driver=order.source.driver,
                    how=artifact.how,
                    version=stored.version,
                    redactions=taken_out,
                    encryption=encryption,
                )
            )
        return trouble

    async def _keep(self, artifact: Artifact, privacy: Privacy) -> Kept:
        """Keep what privacy allows of an artifact. Off the event loop, for the heartbeat must go on."""
        recipients = privacy.encrypt_to
        if isinstance(artifact.content, bytes):
            content, taken_out = await asyncio.to_thread(
                self.redactor.redact, artifact.content, artifact.media_type, privacy
            )
            if not recipients:
                return await self.store.put(content), taken_out, None
            sealed = await asyncio.to_thread(self.cipher.encrypt, content, recipients)
            before = hashlib.sha256(content).hexdigest()
            encryption = Encryption(recipients=recipients, digest=before, size=len(content))
            return await self.store.put(sealed), taken_out, encryption
        pieces = self.redactor.redact_pieces(artifact.media_type, privacy)
        redacted = Counting(_redacted(artifact.content, pieces))
        if not recipients:
            return await self.store.put(redacted), redactions(pieces.tally), None
        stored = await self.store.put(self.cipher.encrypt_pieces(redacted, recipients))
        before = redacted.sha256.hexdigest()
        encryption = Encryption(recipients=recipients, digest=before, size=redacted.size)
        return stored, redactions(pieces.tally), encryption

    @activity.defn(name="read_lever")
    async def read_lever(self, order: ReadOrder) -> LeverState:
        """Read one lever's own position. A lever that cannot be read in a few tries has none."""
        async with beating():
            try:
                with as_failures():
                    lever = self.bench.lever(order.lever)
                position = await lever.read()
            except DriverError as error:
                if error.retryable and activity.info().attempt < TRIES:
                    with as_failures():
                        raise
                activity.logger.warning("lever %s cannot be read: %s", order.lever.id, error)
                position = None
        return LeverState(lever=order.lever.id, position=position, read_at=datetime.now(UTC))

    @activity.defn(name="seal")
    async def seal(self, order: SealOrder) -> Sealed:
        """Sign the manifest and keep it; only when it is safely kept does the seal exist."""
        with as_failures():
            made = statement(order.snapshot)
            manifest = await self.store.put(canonical_json(made))
            envelope = await self.store.put(await asyncio.to_thread(self.signer.seal, made))
            protection = await self.store.protection(envelope.digest)
        return Sealed(
            manifest=manifest.digest,
            envelope=envelope.digest,
            protection=protection[:300],
            late=order.snapshot.late,
            supplements=order.snapshot.supplements,
            artifacts=order.snapshot.artifacts(),
            gaps=order.snapshot.gaps(),
            levers=order.snapshot.levers,
        )

    @activity.defn(name="keep")
    async def keep(self, order: KeepOrder) -> ArtifactRef:
        """Keep a text that the engine wrote."""
        with as_failures():
            stored = await self.store.put(order.text.encode())
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type=order.media_type,
            name=order.name,
            source=order.source,
            collected_at=datetime.now(UTC),
        )


async def _redacted(content: AsyncIterator[bytes], pieces: Pieces) -> AsyncIterator[bytes]:
    async for piece in content:
        ready = await asyncio.to_thread(pieces.feed, piece)
        if ready:
            yield ready
    yield await asyncio.to_thread(pieces.feed, b"", last=True)


def _reason(error: DriverError) -> str:
    match error:
        case Denied():
            return "forbidden"
        case Gone():
            return "gone"
        case Nonsense():
            return "nonsense"
        case Withheld():
            return "withheld"
        case _:
            return "unreachable"


def _gaps(order: CollectOrder, kept: list[ArtifactRef], trouble: tuple[str, str] | None) -> tuple[Gap, ...]:
    """A gap for each thing that the source was to give and did not give, or gave only in part."""
    given = {item for artifact in kept for item in artifact.provides}
    reason, detail = trouble or ("gone", f"the source {order.source.id} has nothing in scope")
    return tuple(
        Gap.model_validate(
            {
                "item": item,
                "reason": reason,
                "detail": (f"had only in part: {detail}" if item in given else detail)[:4000],
                "source": order.source.id,
            }
        )
        for item in order.source.provides
        if trouble or item not in given
    )
