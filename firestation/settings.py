"""The settings of a process: the only reader of the environment, besides the credentials that are asked for by name.

Temporal's own connection settings (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS…, profiles) are read by
Temporal's own configuration; see `workflows/client.py`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from firestation.address import Address, Origin
from firestation.authority import SecretReference
from firestation.complaints import first_invalid
from firestation.errors import InvalidInput, NotConfigured
from firestation.model import Duration, Line, Model

PREFIX = "FIRESTATION_"
RUNBOOKS = Path(__file__).parent.parent / "runbooks"


class Settings(Model):
    """Where a station keeps things and where it listens. Each field is the variable FIRESTATION_<NAME>.

    `key` is the local key that seals manifests. With `key_uri` a key management service seals them instead, such as
    `awskms:alias/firestation`, `gcpkms:projects/…`, `azurekms:…`, `hv:…` (Vault) or `hsm:2?label=station`; then
    `key_public` is the PEM file of its public key, and `key_pin` refers to its PIN, where it has one.

    `public_url` is the gateway's address as a browser has it; the links of pages begin so. `link_key` refers to the key
    that signs these links, for a worker and a gateway that do not share the state folder. `access` is where tokens and
    sessions are kept, hashed.

    `history_keys` is the folder of the keys that histories are encrypted with; without one they are not. `temporal_ui`
    is the address of the Temporal UI as a browser has it: its pages may ask the gateway to decrypt, for who may read.

    `spool` is the SQLite file in which a gateway keeps every alarm until Temporal has it; each gateway has its own, on
    a disk of its machine. `coalesce` is how long the repeats of an alarm gather at first, before they are told.

    `lock_tools` is where the worker finds the tools in which locks are written (pytest, deepeval, promptfoo, inspect,
    and the node that promptfoo runs on): folders with a colon between them. Without it, or what is not there, they are
    looked for beside the worker's own Python and on the PATH.

    `public_page` is the folder or the URL of the bucket that the public page is written to; without it none is.
    `public_page_url` is its address as customers have it, `public_page_title` what stands on top of it.

    `subscribe_url` is the gateway's address as customers have it: the page then has a form that is sent there, by which
    they subscribe. `subscribers` is where they are kept; `subscriber_key` refers to what encrypts and signs, for a
    worker and a gateway that do not share the state folder. `subscriber_mail` refers to apprise's mailto: URL; without
    it nobody subscribes by e-mail. `subscriber_webhooks_inside` lets webhooks be addresses of one's own networks.
    """

    state: Path = Path(".firestation")
    station: Path = Path("station.yaml")
    systems: Path = Path("systems")
    runbooks: Path = RUNBOOKS
    evidence: str | None = None
    key: Path | None = None
    key_uri: str | None = None
    key_public: Path | None = None
    key_pin: SecretReference | None = None
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8420, ge=0, le=65535)
    public_url: Origin | None = None
    access: str | None = None
    session_key: SecretReference | None = None
    link_key: SecretReference | None = None
    history_keys: Path | None = None
    temporal_ui: Origin | None = None
    spool: Path | None = None
    lock_tools: str | None = None
    public_page: str | None = None
    public_page_url: Address | None = None
    public_page_title: Line = "Status"
    subscribe_url: Origin | None = None
    subscribers: str | None = None
    subscriber_key: SecretReference | None = None
    subscriber_mail: SecretReference | None = None
    subscriber_webhooks_inside: bool = False
    coalesce: Duration = Field(default="30s", validate_default=True)
    log: Literal["console", "json"] = "console"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read them. Raises `InvalidInput` naming the variable that is wrong."""
        given = os.environ if environment is None else environment
        found = {
            name: given[variable] for name in cls.model_fields if given.get(variable := PREFIX + name.upper())
        }
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            first = first_invalid(error, cls)
            raise InvalidInput(PREFIX + first.field.upper(), first.problem, first.fix) from None

    @property
    def gateway_url(self) -> str:
        """The start of every link into the gateway, without a slash at its end."""
        return (self.public_url or f"http://{self.gateway_host}:{self.gateway_port}").rstrip("/")

    @property
    def evidence_store(self) -> str:
        """Where evidence goes: a folder or a URL."""
        return self.evidence or str(self.state / "evidence")

    @property
    def access_store(self) -> str:
        """Where tokens and sessions are kept, hashed: a folder or a URL."""
        return self.access or str(self.state / "access")

    @property
    def subscriber_store(self) -> str:
        """Where subscribers are kept, encrypted: a folder or a URL."""
        return self.subscribers or str(self.state / "subscribers")

    @property
    def spool_file(self) -> Path:
        """Where a gateway keeps alarms until Temporal has them."""
        return self.spool or self.state / "spool" / "alarms.sqlite"

    @property
    def signing_key(self) -> Path:
        """The private key that seals manifests."""
        return self.key or self.state / "keys" / "station"

    @property
    def tool_path(self) -> str:
        """The folders in which the tools of locks are looked for, in their order, with a colon between them."""
        beside = str(Path(sys.executable).parent)
        return os.pathsep.join(filter(None, [self.lock_tools, beside, os.environ.get("PATH", os.defpath)]))

    def for_children(self, **more: str) -> dict[str, str]:
        """The environment for a process that is to have these settings: all of ours, and what we were given."""
        fields = {name: value for name, value in self.model_dump(mode="json").items() if value is not None}
        fields["coalesce"] = f"{self.coalesce.total_seconds()}s"
        own = {PREFIX + name.upper(): str(value) for name, value in fields.items()}
        return {**os.environ, **own, **more}


def agent_socket(environment: Mapping[str, str] | None = None) -> Path:
    """Where this person's ssh-agent listens. Raises `NotConfigured` when there is none."""
    given = os.environ if environment is None else environment
    if not (place := given.get("SSH_AUTH_SOCK")):
        raise NotConfigured(
            'there is no ssh-agent (SSH_AUTH_SOCK is not set); type: eval "$(ssh-agent)"; ssh-add'
        )
    return Path(place)
