"""What people see of the story while it goes on: a panel that is drawn anew, or lines where that can't be.

A terminal gets the panel. A pipe, a log or a dumb terminal gets one line for each thing that happens, and now and then
one that says how the wallet is doing.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from devcluster.story import USABLE_BEFORE, Scene
from ucloud_operator.api import JobUpdate
from ucloud_operator.lifecycle.kubelet import Pod

_FRAMES_PER_SECOND = 8
_LINES_PER_RUN = 8

_COLOURS = {"IN_QUEUE": "yellow", "RUNNING": "green", "SUCCESS": "bold", "FAILURE": "red"}
_LOW, _LAST = 0.5, 0.2  # parts of the credits at which the bar changes its colour


class Screen(Protocol):
    """Shows scenes, as long as it is open."""

    @property
    def seconds_per_frame(self) -> float:
        """How often it is worth showing one."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, scene: Scene, now_ms: int) -> None:
        """Show what is seen now."""
        ...


def screen(console: Console, run_seconds: int) -> Screen:
    """The best that the console can do."""
    return Panels(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console, run_seconds)


class Panels(AbstractContextManager["Panels"]):
    """The wallet, the job and its pods, drawn anew several times a second."""

    seconds_per_frame = 1 / _FRAMES_PER_SECOND

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, scene: Scene, now_ms: int) -> None:
        """Draw it."""
        panels = Group(_wallet_panel(scene, now_ms), _job_panel(scene), _pods_panel(scene))
        self._live.update(panels, refresh=True)


class Lines(AbstractContextManager["Lines"]):
    """One line for each thing that happens, when it is seen, and one in a while for the wallet."""

    seconds_per_frame = 0.1

    def __init__(self, console: Console, run_seconds: int) -> None:
        self._console = console
        self._pause_ms = 1000 * run_seconds // _LINES_PER_RUN
        self._wallet_told_ms = 0
        self._updates_told = 0
        self._pods_told: dict[str, str] = {}

    def __exit__(self, *_: object) -> None:
        """Lines stay as they are."""

    def show(self, scene: Scene, now_ms: int) -> None:
        """Tell what is new."""
        for update in scene.job.status.updates[self._updates_told :] if scene.job else ():
            self._updates_told += 1
            self._tell(now_ms, f"job     {update.state or '':<9} {update.status or ''}")
        present = {pod.metadata.name: _how(pod) for pod in scene.pods}
        pods = dict.fromkeys(self._pods_told, "gone") | present
        for name, how in pods.items():
            if self._pods_told.get(name) != how:
                self._tell(now_ms, f"pod     {name} is {how}")
        self._pods_told = pods
        if scene.rate_per_minute and now_ms >= self._wallet_told_ms + self._pause_ms:
            self._wallet_told_ms = now_ms
            self._tell(now_ms, f"wallet  {_amounts(scene, now_ms)}, {_forecast(scene, now_ms)}")

    def _tell(self, at_ms: int, line: str) -> None:
        self._console.print(f"{_clock(at_ms)}  {line}", highlight=False, soft_wrap=True)


def _wallet_panel(scene: Scene, now_ms: int) -> RenderableType:
    usable = scene.usable(now_ms)
    left = usable / USABLE_BEFORE
    colour = "green" if left > _LOW else "yellow" if left > _LAST else "red"
    bar = ProgressBar(total=USABLE_BEFORE, completed=usable, complete_style=colour, finished_style=colour)
    locked = scene.wallet is not None and scene.wallet.status.locked
    numbers = Text(f"{_amounts(scene, now_ms)}{_limit(scene, now_ms)}")
    forecast = Text("locked: nothing can be used any more", "bold red") if locked else Text(_forecast(scene, now_ms))
    rows = Table.grid(expand=True)
    for row in (numbers, bar, forecast):
        rows.add_row(row)
    return Panel(rows, title=f"[bold]{_name(scene)}", title_align="left")


def _job_panel(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for update in scene.job.status.updates if scene.job else ():
        table.add_row(_clock(update.timestamp), _state(update), update.status or "")
    title = f"job {scene.job.key}" if scene.job else "no job yet"
    return Panel(table, title=f"[bold]{title}", title_align="left", height=5)


def _pods_panel(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for pod in scene.pods:
        table.add_row(pod.metadata.name, _how(pod), pod.spec.node_name)
    if not scene.pods:
        table.add_row(Text("none", "dim"))
    return Panel(table, title="[bold]pods", title_align="left", height=3)


def _name(scene: Scene) -> str:
    if scene.wallet is None:
        return "no wallet yet"
    return f"wallet {scene.wallet.key}, which pays for {scene.wallet.spec.pays_for.name}"


def _amounts(scene: Scene, now_ms: int) -> str:
    quota = scene.wallet.status.quota if scene.wallet else 0
    return f"used {scene.used(now_ms):,} of {quota:,}, can still use {scene.usable(now_ms):,}"


def _limit(scene: Scene, now_ms: int) -> str:
    """Why it is less than quota minus usage, where it is."""
    if scene.wallet is None or scene.usable(now_ms) >= scene.wallet.status.quota - scene.used(now_ms):
        return ""
    parents = ", ".join(group.parent.key for group in scene.wallet.status.groups if group.parent)
    return f" (what is left of {parents})" if parents else ""


def _forecast(scene: Scene, now_ms: int) -> str:
    dry_at_ms = scene.dry_at_ms(now_ms)
    if dry_at_ms is None:
        return "nothing is being spent"
    left_seconds = max(0, dry_at_ms - now_ms) / 1000
    return f"{scene.rate_per_minute:,} per minute: dry at {_clock(dry_at_ms)}, in {left_seconds:.0f} s"


def _state(update: JobUpdate) -> Text:
    return Text(update.state or "", _COLOURS.get(update.state or "", ""))


def _how(pod: Pod) -> str:
    return "Terminating" if pod.is_being_deleted else pod.status.phase


def _clock(at_ms: int) -> str:
    """The time of day, as the clock on the wall shows it."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
