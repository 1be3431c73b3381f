"""How the control plane's programs get onto a machine: tried with a program that takes no minutes to build."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import Cluster, DevclusterError, build, golang
from devcluster.programs import find_programs
from devcluster.progress import Progress

CHECKOUT = Path(__file__).parent.parent.parent
HELLO = 'package main\n\nimport "os"\n\nfunc main() { println("hello from", os.Args[0]) }\n'


@pytest.fixture(scope="module")
def go_cache() -> str:
    """What Go itself keeps: not what is tested here, and slow to make anew."""
    go = golang.find_go(build.cache(), Progress("Testing builds"))
    return subprocess.run([go, "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def cache(tmp_path: Path, go_cache: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOCACHE", go_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ucloud-devcluster"


def module(tmp_path: Path, code: str = HELLO) -> build.Module:
    sources = tmp_path / "sources"
    sources.mkdir(exist_ok=True)
    (sources / "go.mod").write_text("module hello\n\ngo 1.26.0\n")
    (sources / "main.go").write_text(code)
    return build.Module(
        name="hello", what="hello", sources=sources, package=".", usual_minutes="seconds", links=("bonjour",)
    )


def test_two_builders_at_once_build_it_once(cache: Path, tmp_path: Path) -> None:
    hello = module(tmp_path)
    program = f"""
from pathlib import Path
from devcluster.build import Module, built
print(built({hello!r}))
""".replace("PosixPath", "Path")
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    (place, said), (other_place, other_said) = [builder.communicate(timeout=120) for builder in builders]

    assert place == other_place, said + other_said
    assert (said + other_said).count("Building hello") == 1
    assert "compiled" in said + other_said or "built" in said + other_said
    assert [entry.name for entry in cache.iterdir() if entry.is_dir()] == [Path(place.strip()).name]
    called = subprocess.run([Path(place.strip()) / "bonjour"], capture_output=True, text=True, check=True)
    assert called.stderr.endswith("bonjour\n")


def test_what_was_built_before_is_found_again(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = build.built(module(tmp_path))
    capfd.readouterr()

    assert build.built(module(tmp_path)) == first
    assert capfd.readouterr().err == ""
    assert build.built(module(tmp_path, HELLO.replace("hello", "bye"))) != first
    assert first.parent == cache


def test_what_another_version_requires_changes_nothing_and_is_built_beside_it(cache: Path, tmp_path: Path) -> None:
    newest = build.built(module(tmp_path))
    (tmp_path / "sources" / "1.1.mod").write_text("module hello-of-old\n\ngo 1.26.0\n")

    older = build.built(replace(module(tmp_path), requirements="1.1.mod"))

    assert build.built(module(tmp_path)) == newest
    go = golang.find_go(cache, Progress("Testing builds"))
    for place, name in ((newest, "hello"), (older, "hello-of-old")):
        said = subprocess.run([go, "version", "-m", place / "hello"], capture_output=True, text=True, check=True)
        assert f"\tpath\t{name}\n" in said.stdout


def test_a_build_that_fails_says_why_and_leaves_nothing_to_be_found(cache: Path, tmp_path: Path) -> None:
    broken = module(tmp_path, "package main\n\nfunc main() { nonsense() }\n")

    for _ in range(2):
        with pytest.raises(DevclusterError, match="undefined: nonsense"):
            build.built(broken)

    assert not [entry for entry in cache.iterdir() if entry.is_dir() and entry.suffix != ".unfinished"]


@pytest.mark.parametrize("version", ["go1.21.3", "devel", None])
def test_without_a_go_that_is_new_enough_one_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    installed: list[Path] = []
    path = tmp_path / "bin"
    path.mkdir()
    if version:
        (path / "go").write_text(f"#!/bin/sh\necho {version}\n")
        (path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(golang, "_install", installed.append)

    go = golang.find_go(tmp_path, Progress("Building"))

    assert [str(place / "go" / "bin" / "go") for place in installed] == [go]


def test_a_kind_of_cluster_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVCLUSTER", "kind")

    with pytest.raises(DevclusterError, match="DEVCLUSTER=kind"):
        find_programs()


def test_a_version_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVCLUSTER_KUBERNETES", "1.20")

    with pytest.raises(DevclusterError, match=r"DEVCLUSTER_KUBERNETES=1\.20: there are only 1\.\d+ and 1\.\d+"):
        find_programs()


@pytest.mark.skipif("KUBEBUILDER_ASSETS" in os.environ, reason="it runs what KUBEBUILDER_ASSETS gives it")
def test_the_version_that_is_asked_for_is_the_one_that_runs(cluster: Cluster) -> None:
    wanted = build.kubernetes(os.environ.get("DEVCLUSTER_KUBERNETES", ""))

    said = json.loads(cluster.kubectl("version", "--output=json"))

    for program in ("clientVersion", "serverVersion"):
        assert f"Kubernetes {said[program]['gitVersion'].removeprefix('v')} " in wanted.what


def test_assets_are_preferred_to_what_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: object
) -> None:
    assert cluster, "by now everything is in the cache"
    (tmp_path / "etcd").write_text("#!/bin/sh\n")
    (tmp_path / "etcd").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    programs = find_programs()

    assert programs.etcd == tmp_path / "etcd"
    assert programs.api_server.parent.parent == build.cache()
