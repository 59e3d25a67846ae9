"""Checks turn an answer into an accepted value, or a `Rejection` whose sentence the model can act on."""

from packmule.checks.answers import check_text
from packmule.checks.loading import load_schema
from packmule.checks.schema import Schema

__all__ = ["Schema", "check_text", "load_schema"]
