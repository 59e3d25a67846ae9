"""Finds a recipe by `module:function` or `path/file.py:function`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from packmule.checks.loading import module_of
from packmule.errors import UsageError

HINT = "name it like --recipe my_recipes:summarise or --recipe recipes/mine.py:summarise"


def load_recipe(spec: str) -> Callable[..., Any]:
    """The function. Raises UsageError when it cannot be found or is no recipe."""
    place, _, name = spec.rpartition(":")
    if not place or not name:
        message = f"--recipe {spec!r} names no function"
        raise UsageError(message, hint=HINT)
    module = _module(place, spec)
    function = getattr(module, name, None)
    if function is None:
        near = get_close_matches(name, [n for n in vars(module) if not n.startswith("_")], 1)
        message = f"{place} has no function {name!r}"
        raise UsageError(message, hint=f"did you mean {place}:{near[0]}?" if near else HINT)
    require_recipe(function, spec)
    return function  # type: ignore[no-any-return]


def require_recipe(function: object, name: str) -> None:
    """Raise UsageError unless it is `async def recipe(item, ask)`."""
    if not inspect.iscoroutinefunction(function):
        message = f"{name} is not an async function"
        raise UsageError(message, hint="a recipe is written: async def recipe(item, ask): ...")
    parameters = list(inspect.signature(function).parameters.values())
    needed = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_KEYWORD, p.VAR_POSITIONAL}]
    calls_max = getattr(function, "calls_max", None)
    if calls_max is not None and (type(calls_max) is not int or calls_max < 1):
        message = f"{name}.calls_max is {calls_max!r}; it must be a whole number of calls, 1 at the least"
        raise UsageError(message, hint="write recipe.calls_max = 3, or leave it out")
    if len(parameters) < 2 or len(needed) > 2:  # noqa: PLR2004 - item and ask
        message = f"{name} must take two arguments, item and ask"
        raise UsageError(message, hint="a recipe is written: async def recipe(item, ask): ...")


def recipe_name(function: Callable[..., Any]) -> str:
    """The name by which a batch remembers a recipe given as a function."""
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', function)}"


def source_digest(function: Callable[..., Any]) -> str | None:
    """sha256 (hex) of the file that a recipe is written in; None where there is no such file."""
    try:
        return sha256(Path(inspect.getsourcefile(function) or "").read_bytes()).hexdigest()
    except (OSError, TypeError):
        return None


def _module(place: str, spec: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _from_file(Path(place))
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(place)
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        message = f"--recipe {spec}: there is no module {error.name!r}"
        own = error.name is not None and (place == error.name or place.startswith(f"{error.name}."))
        raise UsageError(message, hint=HINT if own else f"the recipe imports it: pip install {error.name}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own module may raise anything
        message = f"--recipe {spec}: importing it raised {type(error).__name__}: {error}"
        raise UsageError(message) from None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        message = f"--recipe: there is no file {path}"
        raise UsageError(message, hint=HINT)
    return module_of(path)
