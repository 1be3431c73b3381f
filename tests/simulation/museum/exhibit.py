"""What an exhibit is: a known defect, put back into the operator by changing a line or two of its code.

A `Change` names a function of the operator, a piece of its source, and what stands there instead. It is compiled anew
and takes the place of the function's code, wherever that is imported, until the end of a `with` block. So an exhibit
shows exactly what was taken away, and one that no longer fits the operator's code says so instead of testing nothing.
"""

from __future__ import annotations
import __future__

import ast
import functools
import importlib
import inspect
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.simulation.museum.stories import Story

_ABOVE = "ucloud_operator."


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one function, such as `control.calls:Calls.arm`."""

    where: str
    was: str
    instead: str

    def on(self, source: str) -> str:
        """Return the function's source with the change made."""
        if source.count(self.was) != 1:
            raise ValueError(f"{self.where} has {source.count(self.was)} times what was to be changed:\n{self.was}")
        return source.replace(self.was, self.instead)


@contextmanager
def made(*changes: Change) -> Iterator[None]:
    """Have the operator's code so until the end of the block."""
    before: list[tuple[FunctionType, CodeType]] = []
    try:
        for where in dict.fromkeys(change.where for change in changes):
            function = _function(where)
            code = _compiled(function, [change for change in changes if change.where == where])
            before.append((function, function.__code__))
            function.__code__ = code
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def _compiled(function: FunctionType, changes: list[Change]) -> CodeType:
    source = textwrap.dedent(inspect.getsource(function))
    for change in changes:
        source = change.on(source)
    (changed,) = ast.parse(source).body
    assert isinstance(changed, ast.FunctionDef | ast.AsyncFunctionDef)
    changed.decorator_list = []
    flags = __future__.annotations.compiler_flag
    module = compile(ast.Module([changed], []), f"<museum: {changes[0].where}>", "exec", flags, dont_inherit=True)
    return next(each for each in module.co_consts if isinstance(each, CodeType))


def _function(where: str) -> FunctionType:
    """Find a function behind whatever its decorators have made of it."""
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(_ABOVE + module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    found = inspect.getattr_static(owner, name)
    match found:
        case property():
            found = found.fget
        case functools.cached_property():
            found = found.func
        case staticmethod() | classmethod():
            found = found.__func__
    found = inspect.unwrap(found)
    assert isinstance(found, FunctionType), where
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A defect of this field, and how it is noticed here."""

    name: str
    origins: Mapping[str, str]
    """Where it was seen, by what people call that place; without a link where there is none."""
    did: str
    """What it did there."""
    protection: str
    """What keeps it away here."""
    changes: tuple[Change, ...]
    """What takes that protection away."""
    story: Story
    """The story that is told with it and without it."""
    caught_by: str
    """A regular expression that what is said about the story fits, when it is told with the defect."""
    taught: str
