"""What the shell offers after Tab: ids of batches, names of models. Nothing here may fail or be slow."""

from __future__ import annotations

import os

import typer


def complete_batches(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the store, with how each batch stands."""
    from packmule.compose.known_names import batch_names  # noqa: PLC0415 - not for --help

    return batch_names(incomplete, ctx.params.get("store"), os.environ)


def complete_named(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the store, and checkpoint files of this folder."""
    from packmule.compose.known_names import checkpoint_names  # noqa: PLC0415 - not for --help

    return complete_batches(ctx, incomplete) + checkpoint_names(incomplete)


def complete_models(incomplete: str) -> list[str]:
    """Names of the price list and of the sim."""
    from packmule.compose.known_names import model_names  # noqa: PLC0415 - not for --help

    return model_names(incomplete, os.environ)
