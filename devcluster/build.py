"""Building the control plane, and promtool, from Go modules, once per machine and version.

What was built lies in the user's cache under a name that is a hash of what it was built from, so every clone finds it
and no clone finds a wrong one. A build is made beside its final place and renamed into it: whatever is found there is
whole. Of two builders at once the second waits for the first.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from devcluster.golang import find_go
from devcluster.problems import DevclusterError
from devcluster.progress import Progress

_SOURCES = Path(__file__).parent / "go"
_NEWEST = "go.mod"


@dataclass(frozen=True)
class Module:
    """A Go module of ours, and the one binary that is built from it."""

    name: str
    what: str
    sources: Path
    package: str
    usual_minutes: str
    requirements: str = _NEWEST
    """Its go.mod; one of another name has its own checksums beside it, and the same code."""
    linker_flags: str = "-s -w"
    links: tuple[str, ...] = field(default=())
    """Further names of the binary: it does what it is called."""
    tags: tuple[str, ...] = field(default=())
    """What Go calls build constraints."""


KWOK = Module(
    name="kwok",
    what="KWOK (plays the nodes)",
    sources=_SOURCES / "kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    usual_minutes="1 to 2 minutes",
)
HELM = Module(
    name="helm",
    what="Helm (renders the chart)",
    sources=_SOURCES / "helm",
    package="helm.sh/helm/v4/cmd/helm",
    usual_minutes="2 to 3 minutes",
)
PROMTOOL = Module(
    name="promtool",
    what="promtool (tests alerts)",
    sources=_SOURCES / "promtool",
    package="github.com/prometheus/prometheus/cmd/promtool",
    usual_minutes="2 to 3 minutes",
    tags=("remove_all_sd",),  # the clients of two dozen clouds, which only a server discovers targets with
)


def kubernetes(minor: str = "") -> Module:
    """The control plane of a minor version such as 1.35; the newest that there is here unless told otherwise."""
    sources = _SOURCES / "kubernetes"
    known = {_kubernetes_version(path): path.name for path in sorted(sources.glob("*.mod"), reverse=True)}
    for version, requirements in known.items():
        if minor == version.rpartition(".")[0] or (not minor and requirements == _NEWEST):
            return Module(
                name="kubernetes",
                what=f"Kubernetes {version} (API server, etcd, controller manager, scheduler, kubectl)",
                sources=sources,
                package=".",
                usual_minutes="5 to 10 minutes",
                requirements=requirements,
                linker_flags=f"-s -w {_version_flags(version)}",
                links=("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
            )
    minors = " and ".join(version.rpartition(".")[0] for version in known)
    raise DevclusterError(f"DEVCLUSTER_KUBERNETES={minor}: there are only {minors}, in {sources}.")


def _kubernetes_version(requirements: Path) -> str:
    """What a go.mod says: the only place where it stands."""
    return requirements.read_text().partition("k8s.io/kubernetes v")[2].split()[0]


def _version_flags(version: str) -> str:
    """What a release build says of itself; without it everything calls itself v0.0.0."""
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


def cache() -> Path:
    """The folder that later clones look into."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "ucloud-devcluster"


def built(module: Module) -> Path:
    """The folder with a module's programs; they are built first where they aren't there."""
    place = cache() / f"{module.name}-{_fingerprint(module)}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with _only_builder(place):
            if not place.is_dir():  # else another has just built it
                _build(module, place)
    return place


def _fingerprint(module: Module) -> str:
    digest = hashlib.sha256()
    for source in sorted(path for path in module.sources.iterdir() if path.is_file() and _belongs_to(module, path)):
        digest.update(f"{source.name}\0{source.stat().st_size}\0".encode() + source.read_bytes())
    digest.update("\0".join([module.package, module.linker_flags, *module.links, *module.tags]).encode())
    digest.update(f"{platform.system()}\0{platform.machine()}".encode())
    return digest.hexdigest()[:16]


def _belongs_to(module: Module, source: Path) -> bool:
    """Whether a file is built from: what other versions of the same code require isn't."""
    return source.suffix not in {".mod", ".sum"} or source.stem == Path(module.requirements).stem


@contextmanager
def _only_builder(place: Path) -> Iterator[None]:
    with place.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another process that builds {place.name} ...", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: Module, place: Path) -> None:
    progress = Progress(
        f"Building {module.what}: once per machine and version, {module.usual_minutes}; kept in {place}."
    )
    unfinished = place.with_suffix(".unfinished")  # what a killed builder left: we hold the lock
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    go = find_go(cache(), progress)
    options = [f"-modfile={module.requirements}", f"-tags={','.join(module.tags)}"]
    packages = _run_go(
        [go, "list", "-deps", *options, "-f", "{{.ImportPath}}", module.package], module, progress, "modules downloaded"
    )
    command = [go, "build", "-v", "-trimpath", "-buildvcs=false", *options, "-ldflags", module.linker_flags]
    command += ["-o", str(unfinished / module.name), module.package]
    _run_go(command, module, progress, f"packages compiled, of at most {packages.count(chr(10))}; then they are linked")
    for link in module.links:
        (unfinished / link).symlink_to(module.name)
    unfinished.rename(place)
    progress.note("built")


def _run_go(command: list[str], module: Module, progress: Progress, unit: str) -> str:
    """Run go and count the lines of its standard error, one per thing done."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with (
        TemporaryFile("w+") as output,  # a pipe that nobody reads meanwhile would fill up
        subprocess.Popen(
            command, cwd=module.sources, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        last_lines = progress.count(process, unit)
        if process.wait():
            raise DevclusterError(f"{' '.join(command[:3])} failed in {module.sources}:\n{last_lines}")
        output.seek(0)
        return output.read()
