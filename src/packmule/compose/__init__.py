"""The only folder that joins the parts: store, source, endpoints, recipe and runner become a batch that runs.

`prepare` reads and checks all that can be checked before money is at risk; a `Session` holds the lease, brings the
items in and drives the batch; a `Desk` is the store as the faces see it. Names are imported when first used, so that
`packmule --help` does not wait for an HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packmule.compose.background import Background
    from packmule.compose.checkpoint import Keeper, cancel_file, read_checkpoint
    from packmule.compose.choosing import RETRIED, Chosen, Quote, causes_there_are, choose
    from packmule.compose.desk import OVER, Desk, known_prices
    from packmule.compose.from_file import carried, check_source, check_typed, find_batch, resume_file
    from packmule.compose.going_on import Again, quoted, resume, retry
    from packmule.compose.judging import Verdict, judge
    from packmule.compose.listing import Listed, listed
    from packmule.compose.parts import is_simulated, loop_factory
    from packmule.compose.preparing import Prepared, prepare
    from packmule.compose.results import RESULT_FILES, check_folder
    from packmule.compose.session import Outcome, Session, begin, folder_of, recipe_changed
    from packmule.compose.simulate import serve_sim
    from packmule.compose.sliced import Given, Sliced, empty_state, keep_document
    from packmule.compose.slices import as_citations, saved_results
    from packmule.compose.trust import refuse_said_price
    from packmule.exports import ResultRecord
    from packmule.exports.checkpoint import Checkpoint

_PLACES = {
    "background": ("Background",),
    "checkpoint": ("Checkpoint", "Keeper", "cancel_file", "read_checkpoint"),
    "choosing": ("RETRIED", "Chosen", "Quote", "causes_there_are", "choose"),
    "desk": ("OVER", "Desk", "known_prices"),
    "from_file": ("carried", "check_source", "check_typed", "find_batch", "resume_file"),
    "going_on": ("Again", "quoted", "resume", "retry"),
    "judging": ("Verdict", "judge"),
    "listing": ("Listed", "listed"),
    "parts": ("is_simulated", "loop_factory"),
    "preparing": ("Prepared", "prepare"),
    "results": ("RESULT_FILES", "ResultRecord", "check_folder"),
    "session": ("Outcome", "Session", "begin", "folder_of", "recipe_changed"),
    "simulate": ("serve_sim",),
    "sliced": ("Given", "Sliced", "empty_state", "keep_document"),
    "slices": ("as_citations", "saved_results"),
    "trust": ("refuse_said_price",),
}
_HOMES = {name: home for home, names in _PLACES.items() for name in names}

__all__ = [
    "OVER",
    "RESULT_FILES",
    "RETRIED",
    "Again",
    "Background",
    "Checkpoint",
    "Chosen",
    "Desk",
    "Given",
    "Keeper",
    "Listed",
    "Outcome",
    "Prepared",
    "Quote",
    "ResultRecord",
    "Session",
    "Sliced",
    "Verdict",
    "as_citations",
    "begin",
    "cancel_file",
    "carried",
    "causes_there_are",
    "check_folder",
    "check_source",
    "check_typed",
    "choose",
    "empty_state",
    "find_batch",
    "folder_of",
    "is_simulated",
    "judge",
    "keep_document",
    "known_prices",
    "listed",
    "loop_factory",
    "prepare",
    "quoted",
    "read_checkpoint",
    "recipe_changed",
    "refuse_said_price",
    "resume",
    "resume_file",
    "retry",
    "saved_results",
    "serve_sim",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    if name not in _HOMES:
        message = f"module 'packmule.compose' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"packmule.compose.{_HOMES[name]}"), name)
