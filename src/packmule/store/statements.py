"""SQL stands in .sql files; here they become a table of named statements."""

from __future__ import annotations

from importlib.resources import files

_MARK = "-- name: "


def _load() -> dict[str, str]:
    text = (files("packmule.store") / "sql" / "statements.sql").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split(_MARK)[1:])
    return {name.strip(): body.strip().rstrip(";") for name, _, body in parts}


SQL = _load()


def schema(version: int) -> str:
    """The script that leads from version - 1 to `version`."""
    return (files("packmule.store") / "sql" / f"schema_{version}.sql").read_text(encoding="utf-8")
