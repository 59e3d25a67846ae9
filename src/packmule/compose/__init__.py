"""The only folder that joins the parts: store, source, endpoints, recipe and runner become a batch that runs.

`prepare` reads and checks all that can be checked before money is at risk; a `Session` holds the lease, brings the
items in and drives the batch; a `Desk` is the store as the faces see it.
"""

from __future__ import annotations

from packmule.compose.desk import OVER, Desk, known_prices
from packmule.compose.going_on import RETRIED, Again, resume, retry
from packmule.compose.parts import is_simulated, loop_factory
from packmule.compose.prepare import Prepared, prepare
from packmule.compose.results import check_folder
from packmule.compose.session import Outcome, Session, begin, folder_of, recipe_changed
from packmule.compose.simulate import serve_sim
from packmule.exports import ResultRecord

__all__ = [
    "OVER",
    "RETRIED",
    "Again",
    "Desk",
    "Outcome",
    "Prepared",
    "ResultRecord",
    "Session",
    "begin",
    "check_folder",
    "folder_of",
    "is_simulated",
    "known_prices",
    "loop_factory",
    "prepare",
    "recipe_changed",
    "resume",
    "retry",
    "serve_sim",
]
