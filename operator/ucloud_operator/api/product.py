"""ComputeProduct: a machine type that jobs can run on, and what it costs."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from ucloud_operator.api.common import AGE, Amount, CategoryReference, Column, Model, Name, Resource
from ucloud_operator.api.rules import Rule, rules


class Toleration(Model):
    """A taint of nodes that the product's pods may run on all the same, as in a pod's own `tolerations`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.key) || self.operator == 'Exists'", "a toleration without a key needs the operator Exists")
        )
    )

    key: str | None = Field(default=None, max_length=316)
    """The taint's key, such as dedicated. Absent means every key; `operator` must then be Exists."""

    operator: Literal["Equal", "Exists"] = "Equal"
    """Equal compares `value`, Exists does not."""

    value: str | None = Field(default=None, max_length=63)
    """The taint's value, for the operator Equal."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect. Absent means every effect."""

    toleration_seconds: int | None = None
    """For NoExecute: how many seconds the pod stays on the node once it is tainted. Absent means for ever."""


class ComputeProductSpec(Model):
    """What the machine has, what it costs, and which nodes provide it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.cpu) != has(self.cpuMillis)",
                "write either cpu (whole cores, such as 4) or cpuMillis (thousandths of a core, such as 500)",
            )
        )
    )

    name: Name | None = None
    """The product's name, which jobs give as `product.id`, such as example-compute. Absent means `metadata.name`."""

    category: CategoryReference
    """The category that it belongs to. A wallet of that category pays for it."""

    description: str = ""
    """A sentence for people who choose a product."""

    price: Amount
    """What one replica costs per accounting period of the category, in its smallest unit: an integer, such as 50000.
    With 0, jobs are metered and never stopped. A changed price applies to jobs that start afterwards."""

    cpu: int | None = Field(default=None, ge=1, le=100_000)
    """How many CPU cores a replica gets: a whole number, such as 4. For parts of a core, write `cpuMillis` instead."""

    cpu_millis: int | None = Field(default=None, ge=1, le=100_000_000)
    """How many thousandths of a CPU core a replica gets, such as 500 for half a core. Instead of `cpu`."""

    memory_in_gigs: int = Field(ge=1, le=1_000_000)
    """How much memory a replica gets, in GiB: a whole number, such as 16."""

    gpu: int = Field(default=0, ge=0, le=1_000)
    """How many GPUs a replica gets."""

    gpu_resource: str = Field(default="nvidia.com/gpu", min_length=1, max_length=317)
    """The resource that nodes offer their GPUs as, such as nvidia.com/gpu or amd.com/gpu."""

    node_selector: Mapping[str, str] = {}
    """The labels of the nodes that provide this product, such as `{"example.com/machine": "large"}`. Empty means any
    node."""

    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=64)
    """The taints of those nodes that its pods tolerate."""


class ComputeProduct(Resource):
    """A machine type that jobs can run on: what a replica gets, what it costs, and which nodes provide it."""

    PLURAL: ClassVar[str] = "computeproducts"
    SHORT_NAME: ClassVar[str] = "cprod"
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Category", "string", ".spec.category.name", "The category that it belongs to"),
        Column("Provider", "string", ".spec.category.provider", "The provider that it belongs to"),
        Column("Price", "integer", ".spec.price", "What a replica costs per accounting period"),
        Column("CPU", "integer", ".spec.cpu", "Cores"),
        Column("Memory", "integer", ".spec.memoryInGigs", "Memory in GiB"),
        Column("GPU", "integer", ".spec.gpu", "GPUs"),
        AGE,
    )

    spec: ComputeProductSpec
    """What the machine has, what it costs, and which nodes provide it."""

    @property
    def id(self) -> str:
        """What jobs call it in `product.id`."""
        return self.spec.name or self.metadata.name

    @property
    def cpu_request_millis(self) -> int:
        """How many thousandths of a core a replica gets, whichever way that was written."""
        return self.spec.cpu_millis if self.spec.cpu_millis is not None else 1000 * (self.spec.cpu or 0)
