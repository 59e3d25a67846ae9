"""What a recipe came to, and when failures look alike."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

import msgspec

from packmule.core.calls import Reply
from packmule.core.endings import Ending
from packmule.errors import CallFailed, PackmuleError

if TYPE_CHECKING:
    from packmule.engine.ask import Ask
    from packmule.engine.item_run import ItemRun
    from packmule.engine.world import Recipe

SAME_REFUSALS_MAX = 20
_DIGITS = re.compile(r"\d+")


async def outcome(recipe: Recipe, run: ItemRun, ask: Ask) -> tuple[str, bytes | None, str]:
    """(event, output, reason) of a recipe, whatever it does; cancellation passes."""
    try:
        output = await recipe(run.item, ask)
        value = output.value if isinstance(output, Reply) else output
        data = msgspec.json.encode(value, enc_hook=_plain)
    except CallFailed as error:
        return "fail", None, error.message
    except PackmuleError as error:
        return "fail", None, f"{error.message}. {error.hint}".rstrip(". ")
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - the user's own code may raise anything
        return "fail", None, f"the recipe raised {type(error).__name__}: {error}{_where(recipe, error)}"
    return "complete", data, run.remark


def _where(recipe: Recipe, error: BaseException) -> str:
    """The line of the recipe's own file that was last gone through."""
    own = getattr(getattr(recipe, "__code__", None), "co_filename", None)
    lines = [step.lineno for step in extract_tb(error.__traceback__) if step.filename == own]
    return f" ({Path(own).name}, line {lines[-1]})" if lines and own else ""


class Refusals:
    """Counts failures that read alike, numbers aside, as long as no item succeeded."""

    def __init__(self) -> None:
        self.succeeded = False
        self._alike: Counter[str] = Counter()

    def count(self, reason: str) -> Ending | None:
        """One more failed so; the end of the batch when the mistake is systematic by now."""
        key = _DIGITS.sub("#", reason)
        self._alike[key] += 1
        if self.succeeded or self._alike[key] < SAME_REFUSALS_MAX:
            return None
        detail = f"{SAME_REFUSALS_MAX} items failed alike and none succeeded: {reason}"
        return Ending("failed", "refused", detail)


def _plain(value: object) -> object:
    """What a recipe may return beside JSON and a Reply: a pydantic model."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    message = f"an output must be JSON, a Reply or a pydantic model, not {type(value).__name__}"
    raise TypeError(message)
