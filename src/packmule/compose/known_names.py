"""Names for a shell that completes: batches of the store, models of the price list. Quick, and never an error.

The price list takes half a second to load, so its names are kept in a file of the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from packmule.compose.setting_files import read_settings
from packmule.config import store_path

SHOWN = 200
SIMULATED = ("sim/small", "sim/large")


def batch_names(prefix: str, given: Path | None, env: Mapping[str, str]) -> list[tuple[str, str]]:
    """(id, what it is) of the batches whose id begins so, newest first; nothing where anything goes wrong."""
    try:
        settings = read_settings(env)
        path = given or (Path(settings.value("store")) if "store" in settings.found else store_path(None, env))
        if not path.exists():
            return []
        from packmule.store import Store, batches  # noqa: PLC0415 - only where there is a store

        rows = batches.newest(Store(path, create=False), SHOWN)
        return [(row.id, f"{row.state}, {Path(row.source.name).name}") for row in rows if row.id.startswith(prefix)]
    except Exception:  # noqa: BLE001 - a shell that completes has no place for an error
        return []


def checkpoint_names(prefix: str) -> list[tuple[str, str]]:
    """(file, what it is) of the checkpoints in this folder whose name begins so; nothing where anything goes wrong."""
    from packmule.exports.checkpoint import checkpoints_in  # noqa: PLC0415 - only where a file is meant

    try:
        return [(str(path), "checkpoint") for path in checkpoints_in(Path()) if path.name.startswith(prefix)]
    except Exception:  # noqa: BLE001 - as above
        return []


def model_names(prefix: str, env: Mapping[str, str]) -> list[str]:
    """Models whose full name begins so; nothing where anything goes wrong."""
    try:
        return [name for name in _listed(env) if name.startswith(prefix)][:SHOWN]
    except Exception:  # noqa: BLE001 - as above
        return [name for name in SIMULATED if name.startswith(prefix)]


def _listed(env: Mapping[str, str]) -> list[str]:
    home = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".cache")
    path = Path(home) / "packmule" / f"models-{version('genai-prices')}.txt"
    if path.is_file():
        return path.read_text(encoding="utf-8").split()
    from packmule.providers.prices import PriceBook  # noqa: PLC0415 - slow, and only the first time

    names = [name for name, *_ in PriceBook().known_models()]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text("\n".join(names), encoding="utf-8")
    fresh.replace(path)
    return names
