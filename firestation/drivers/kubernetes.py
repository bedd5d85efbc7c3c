"""The Kubernetes levers of a Deployment: the image of one container, or how many replicas there are.

Contract-tested only, against the published API of apps/v1: a cluster does not start where our tests run.

The patch carries the `resourceVersion` that was read, so the API server compares (409). Every change of the status
makes a new one too; a conflict is therefore looked into, and only a lever that stands elsewhere has been moved by
somebody. An answer of 200 begins a rollout and does not end it: let the probe ask the Deployment's status until
`updatedReplicas` and `availableReplicas` are those wanted and `unavailableReplicas` is gone. Whoever else writes the
same field (an autoscaler, a GitOps controller) moves it back; the next reading shows that.
"""

import shlex
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from firestation.drivers.exchange import Answer
from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import ProductLever, ProductLeverConfig, Raced
from firestation.errors import Gone, Nonsense
from firestation.model import Model
from firestation.ports import ByHand
from firestation.system import Position

PLACE = "/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
READ = Fixed(url=PLACE)
PATCH = Fixed(
    method="PATCH",
    url=PLACE,
    query={"fieldManager": "firestation"},
    headers={"Content-Type": "application/strategic-merge-patch+json"},
    body={"metadata": {"resourceVersion": "{revision}"}, "spec": "{spec}"},
)
CONFLICT = 409
TRIES = 5
MOST_REPLICAS = 100_000

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A name as Kubernetes has it: lower case, digits, dash and dot."""


class KubernetesLeverConfig(ProductLeverConfig):
    """`base` is the API server. Either `container`, whose image is moved, or `replicas: true`."""

    namespace: Name = "default"
    deployment: Name
    container: Name | None = None
    replicas: bool = Field(default=False)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.container is not None) == self.replicas:
            msg = "a lever is one thing; write either container: NAME to move its image, or replicas: true"
            raise ValueError(msg)
        return self


class KubernetesLever(ProductLever[KubernetesLeverConfig]):
    """Patches a Deployment. A position is the image's reference, or the number of replicas."""

    config_model: ClassVar[type[Model]] = KubernetesLeverConfig

    async def position(self) -> Position:
        """What the Deployment asks for, whether or not the rollout is there yet."""
        answer = await self.ask(READ, **self._place())
        return Position(value=self._value(answer), revision=str(answer.at("$.metadata.resourceVersion")))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - Kubernetes knows no keys
        """One patch, tried again while only the status has changed meanwhile."""
        spec = self._spec(to.value)
        for _ in range(TRIES):
            try:
                await self.ask(PATCH, **self._place(), revision=found.revision, spec=spec)
            except Nonsense as error:
                if error.details.get("status") != CONFLICT:
                    raise
                now = await self.position()
                if not now.same_as(found):
                    raise Raced(str(error)) from error
                found = now
            else:
                return
        msg = f"the deployment {self.config.deployment} changes faster than it can be patched"
        raise Nonsense(msg)

    def read_by_hand(self) -> ByHand:
        """By kubectl."""
        config = self.config
        path = "{.spec.replicas}"
        if config.container is not None:
            path = f'{{.spec.template.spec.containers[?(@.name=="{config.container}")].image}}'
        what = f"kubectl --namespace {config.namespace} get deployment/{config.deployment}"
        return ByHand(
            command=f"{what} -o jsonpath={shlex.quote(path)}", look="its position is what is printed"
        )

    def by_hand(self, to: JsonValue) -> str:
        """The same by kubectl, with the cluster and the credential of whoever types it."""
        config = self.config
        self._spec(to)
        what = f"deployment/{config.deployment}"
        act = (
            f"scale {what} --replicas={to}"
            if config.container is None
            else f"set image {what} {shlex.quote(f'{config.container}={to}')}"
        )
        return f"kubectl --namespace {config.namespace} {act}"

    def _value(self, answer: Answer) -> JsonValue:
        if self.config.container is None:
            found = answer.at("$.spec").get("replicas", 1)
            return int(found)
        for container in answer.at("$.spec.template.spec.containers"):
            if container["name"] == self.config.container:
                return str(container["image"])
        msg = f"the deployment {self.config.deployment} has no container {self.config.container}"
        raise Gone(msg)

    def _spec(self, to: JsonValue) -> JsonValue:
        """The part of the patch that says it. Raises `Gone` for what is no position."""
        if self.config.container is None:
            if type(to) is not int or not 0 <= to <= MOST_REPLICAS:
                msg = f"{to!r} is no number of replicas; write a whole number from 0"
                raise Gone(msg)
            return {"replicas": to}
        if not isinstance(to, str) or not to or any(each.isspace() for each in to):
            msg = f"{to!r} is no image; write its reference, such as registry.example/agent:1.4.2"
            raise Gone(msg)
        return {"template": {"spec": {"containers": [{"name": self.config.container, "image": to}]}}}

    def _place(self) -> dict[str, JsonValue]:
        return {"namespace": self.config.namespace, "deployment": self.config.deployment}
