"""One request, from what was sent to what is said: the same for a call of its own and for a line of a job."""

from __future__ import annotations

import random
import re
from http import HTTPStatus
from typing import Any

from packmule.sim.answers import answer
from packmule.sim.asked import IMAGE_TOKENS, Asked, Refused, Said
from packmule.sim.chance import chance_of
from packmule.sim.hostile import spoilt
from packmule.sim.inventing import made_up
from packmule.sim.scenario import Scenario
from packmule.sim.wire import Wire, worded

_MANNERS = {"hostile": spoilt, "inventing": made_up}
_POISONED = "The content of this request cannot be processed."


class Work:
    """Reads and answers requests as the scenario has it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._poison = [(re.compile(entry.pattern), entry.status) for entry in scenario.fail]

    def read(self, wire: Wire, model: str, headers: dict[str, str], data: dict[str, Any], size: int) -> Asked | Refused:
        """What is asked; `size` is how many bytes the request has."""
        asked = wire.parse(model, headers, data)
        if isinstance(asked, Asked) and asked.images * IMAGE_TOKENS > size:
            return Refused(400, "An image of no bytes cannot be read.")
        return asked

    def poisoned(self, asked: Asked) -> Refused | None:
        """What this text always gets, None when it is harmless."""
        for pattern, status in self._poison:
            if pattern.search(asked.text):
                return Refused(status, _POISONED if status < HTTPStatus.TOO_MANY_REQUESTS else worded(status))
        return None

    def say(self, asked: Asked, digest: bytes) -> Said:
        """The answer of a model that behaves well."""
        return answer(asked, chance_of(self._scenario.seed, "answer", digest))

    def spoil(self, asked: Asked, said: Said, chance: random.Random) -> Said:
        """The answer in the manner of the day."""
        manner = _MANNERS.get(self._scenario.manner)
        if manner is None or chance.random() >= self._scenario.manner_probability:
            return said
        return manner(asked, said, chance)
