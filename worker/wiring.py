"""What is wired to what: drivers, store, signer and secrets into activities, activities and workflows into a worker."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.bell import BellActivities
from activities.checks import CheckActivities
from activities.drills import DrillActivities
from activities.leases import LeaseActivities
from activities.levers import LeverActivities
from activities.lock import LockActivities
from activities.postmortem import PostmortemActivities
from activities.public_page import PublicPageActivities
from activities.snapshot import SnapshotActivities
from activities.toolbox import Toolbox
from activities.wall import WallActivities
from activities.words import Address, WordActivities
from firestation.drivers import Drivers
from firestation.drivers.age import Age
from firestation.drivers.claims import open_claims
from firestation.drivers.shelf import open_shelf
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.drivers.store import open_store
from firestation.hanging import wall_keys
from firestation.links import Link, sign
from firestation.ports import (
    AlarmBell,
    Bench,
    Criers,
    EvidenceStore,
    Herald,
    PublicPage,
    Secrets,
    Shelf,
    Signer,
)
from firestation.privacy import Cipher, Redactor
from firestation.secrets import ReferenceSecrets, link_key, local_secret
from firestation.settings import Settings
from firestation.signers import open_signer
from firestation.signing import PublicKey
from firestation.version import build
from worker.bell import own_bell
from worker.drills import Opener, TemporalGround, from_files, no_files
from worker.leases import TemporalLeases
from worker.public_page import kept_fresh, public_page
from worker.subscribers import criers_of, herald_of
from worker.watch import kept_watch
from workflows.client import TASK_QUEUE
from workflows.drill import DrillWorkflow, ScheduledDrill
from workflows.drill_guard import DrillGuard
from workflows.follow_up import AfterActionWorkflow
from workflows.incident import IncidentWorkflow
from workflows.lease import LeverLease
from workflows.postmortem import PostmortemDrafter
from workflows.public_page import PagePublisher
from workflows.subscribers import SubscriberTeller
from workflows.triage import Triage
from workflows.wall import LockHanger
from workflows.watch import Watch

WORKFLOWS = [
    IncidentWorkflow,
    AfterActionWorkflow,
    LeverLease,
    LockHanger,
    PostmortemDrafter,
    PagePublisher,
    SubscriberTeller,
    Watch,
    DrillWorkflow,
    DrillGuard,
    ScheduledDrill,
    Triage,
]
"""Every workflow of ours: a worker runs them, and a replay knows them."""

PASSED_THROUGH = ("firestation", "activities", "workflows.messages")
"""Pydantic models cost 18 ms an instance when the sandbox reloads them, 0.8 ms passed through (TEMPORAL.md)."""

BESIDE_US = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
"""Where the tools of locks are looked for when nobody says where: beside the worker's own Python."""

LOADED_ONCE = ("cryptography",)
"""Compiled code that a process can load only once, so that the sandbox cannot load it again. It verifies signatures."""


def incident_worker(
    client: Client,
    bench: Bench,
    store: EvidenceStore,
    signer: Signer,
    secrets: Secrets,
    *,
    redactor: Redactor,
    cipher: Cipher,
    shelf: Shelf,
    keys: Sequence[PublicKey],
    address: Address | None = None,
    board: str | None = None,
    page: PublicPage | None = None,
    criers: Criers | None = None,
    herald: Herald | None = None,
    bell: AlarmBell | None = None,
    opens: Opener = no_files,
    task_queue: str = TASK_QUEUE,
    passed_through: tuple[str, ...] = PASSED_THROUGH,
    tools: str = BESIDE_US,
) -> Worker:
    """A worker that runs incidents with these ports. `keys` are those that the wall of locks is believed by.

    Without a `page` there is no public page, without `criers` and a `herald` nobody is told what stands there, and
    without a `bell` what the watch finds is not rung. `opens` begins drills by the station's files.
    """
    snapshot = SnapshotActivities(bench, store, signer, redactor, cipher)
    levers, checks = LeverActivities(bench), CheckActivities(bench)
    words = WordActivities(bench, address, board)
    lock = LockActivities(bench, store, secrets, signer, Toolbox(tools))
    postmortem = PostmortemActivities(store, shelf)
    wall = WallActivities(shelf, signer, keys)
    leases = LeaseActivities(TemporalLeases(client, task_queue))
    outside, own = PublicPageActivities(page, criers, herald), BellActivities(bell)
    drills = DrillActivities(bench, shelf, signer, keys, TemporalGround(client, task_queue, opens))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            snapshot.collect,
            snapshot.read_lever,
            snapshot.seal,
            snapshot.keep,
            leases.take_lease,
            leases.release_lease,
            levers.move_lever,
            levers.probe,
            checks.measure,
            checks.soak,
            words.send,
            words.open_task,
            words.look_at_task,
            words.remind_task,
            lock.prove_lock,
            postmortem.draft,
            wall.recall_locks,
            wall.hang_lock,
            outside.publish,
            outside.tell_subscribers,
            own.ring_bell,
            drills.open_drill,
            drills.inject_fault,
            drills.clear_fault,
            drills.ring_drill,
            drills.follow_drill,
            drills.score_drill,
            drills.call_off_drill,
            drills.keep_drill,
        ],
        workflow_runner=workflow_runner(passed_through),
        build_id=build(),
        # How long an incident waits for a worker that died with it in its cache before another takes over.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    )


def workflow_runner(passed_through: tuple[str, ...] = PASSED_THROUGH) -> SandboxedWorkflowRunner:
    """The sandbox that workflows run in, live and in a replay."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*passed_through, *LOADED_ONCE)
    )


@asynccontextmanager
async def station_worker(client: Client, settings: Settings) -> AsyncIterator[Worker]:
    """The worker of a station: real drivers, the evidence store and the signing key that the settings name."""
    secrets = ReferenceSecrets(settings.state)
    claims = open_claims(settings.evidence_store)
    async with Drivers(secrets, folder=settings.state, claims=claims) as bench:
        store = open_store(settings.evidence_store)
        signer = open_signer(settings, secrets)
        redactor = Redactor(DetectSecretsSieve(), local_secret(settings.signing_key.with_name("pseudonyms")))
        async with kept_fresh(public_page(settings)) as page, kept_watch(client, settings, TASK_QUEUE):
            yield incident_worker(
                client,
                bench,
                store,
                signer,
                secrets,
                redactor=redactor,
                cipher=Age(),
                shelf=open_shelf(settings.evidence_store, "evidence store"),
                keys=wall_keys(signer.public_key, settings.signing_key.parent),
                address=link_address(settings, link_key(settings, secrets)),
                board=f"{settings.gateway_url}/board",
                page=page,
                criers=criers_of(client, settings),
                herald=herald_of(settings, secrets),
                bell=own_bell(settings, bench.kit),
                opens=from_files(settings),
                tools=settings.tool_path,
            )


def link_address(settings: Settings, key: bytes) -> Address:
    """How a page's link is made: the gateway's public address, and a token that only this station can sign."""

    def address(link: Link, until: datetime) -> str:
        return f"{settings.gateway_url}/ack/{sign(link, until, key)}"

    return address
