"""Application: a name and version that jobs ask for, and the container behind it."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from ucloud_operator.api.common import AGE, Column, Model, Name, Resource

NONROOT = 65532


class ApplicationSpec(Model):
    """The application's name and version, and how its container is started."""

    name: Name
    """The application's name, which jobs give as `application.name`, such as acme-web-application."""

    version: Name
    """Its version, which jobs give as `application.version`, such as 1.0.0."""

    title: str | None = None
    """What people are shown instead of the name, such as Acme Web Application."""

    description: str | None = None
    """A sentence for people who choose an application."""

    image: str = Field(min_length=1, max_length=1024)
    """The container image, such as registry.example.com/acme/web:1.0.0."""

    command: tuple[str, ...] = ()
    """The program and its first arguments. Empty means the image's own entry point."""

    args: tuple[str, ...] = ()
    """The arguments. Empty means the image's own, unless `command` is written."""

    env: Mapping[str, str] = {}
    """Environment variables, such as `{"LOG_LEVEL": "info"}`."""

    run_as_user: int = Field(default=NONROOT, ge=1, le=2**31 - 1)
    """The user id that it runs as: not 0, jobs never run as root."""

    run_as_group: int = Field(default=NONROOT, ge=1, le=2**31 - 1)
    """The group id that it runs as: not 0."""

    fs_group: int = Field(default=NONROOT, ge=1, le=2**31 - 1)
    """The group id that its volumes belong to: not 0."""


class Application(Resource):
    """What a job runs: a name and version that jobs ask for, and the container image and command behind them."""

    PLURAL: ClassVar[str] = "applications"
    SHORT_NAME: ClassVar[str] = "capp"
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Application", "string", ".spec.name", "The name that jobs ask for"),
        Column("Version", "string", ".spec.version", "The version that jobs ask for"),
        AGE,
        Column("Image", "string", ".spec.image", "The container image", priority=1),
    )

    spec: ApplicationSpec
    """The application's name and version, and how its container is started."""
