"""What a caller asked for, made into an order: the arguments of `batch()`, and of the engine by their usual names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from packmule.config import Order, limits_of, store_path
from packmule.core.batch import CONVERSATION, DOCUMENT, EXTRACT, EXTRACT_CITED, Limits
from packmule.core.nearest import suggestion
from packmule.errors import BatchManagerError
from packmule.manager.items import Items, conversations, documents

TEMPERATURE = 0.0
LINGER_S = 10.0
_LIMITS = (
    "price_in price_out free rpm tpm item_cap retry_count retry_delay retries_invalid timeout outage_limit on_unknown "
    "job_linger"
).split()
_ASKED = ("system", "base_url", "temperature", "max_tokens")
_PLACES = ("store", "sim_scenario")
OPTIONS = (*_ASKED, *_LIMITS, *_PLACES)


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raise BatchManagerError for an option that nothing reads."""
    for name in options:
        if name not in OPTIONS:
            message = f"{name} is no option of batch(){suggestion(name, OPTIONS)}"
            raise BatchManagerError(message, hint=f"there are {', '.join(OPTIONS)}")


def check(messages: Any, files: Any, prompt: Any, model: Any, response_model: Any, cited: bool) -> None:  # noqa: ANN401, FBT001
    """Raise BatchManagerError for arguments that do not fit together."""
    hint = ""
    if not isinstance(model, str) or not model.strip():
        message, hint = "model is required", "for example model='claude-3-haiku-20240307'"
    elif messages is not None and files is not None:
        message = "Cannot provide both messages and files. Use either messages, or files with a prompt."
    elif messages is None and files is None:
        message = "Must provide either messages or files."
    elif files is not None and (not isinstance(prompt, str) or not prompt.strip()):
        message = "prompt is required when using files"
    elif files is None and prompt is not None:
        message, hint = "prompt goes with files", "with messages, the conversations are the prompts"
    elif cited and files is None:
        message = "enable_citations needs files: what is cited are places in a document"
    elif cited and response_model is None:
        message = "enable_citations needs a response_model: places are given for each of its fields"
    else:
        return
    raise BatchManagerError(message, hint=hint)


def store_of(options: Mapping[str, Any], state_path: Path | None) -> Path:
    """`store=`, else PACKMULE_STORE, else .packmule/store.db beside the state file, or in the current folder."""
    given = options.get("store")
    if given is None and state_path is not None and not os.environ.get("PACKMULE_STORE"):
        return state_path.parent / store_path(None, {})
    return store_path(None if given is None else Path(given), os.environ)


def items_of(messages: Any, files: Any, store: Path) -> Items:  # noqa: ANN401 - checked there
    """The items, each looked at. Raises BatchManagerError."""
    return conversations(messages) if files is None else documents(files, store)


def order_of(
    items: Items,
    prompt: str | None,
    model: str,
    response_model: Any,  # noqa: ANN401 - whatever a schema may be
    limits: Mapping[str, Any],
    options: Mapping[str, Any],
    store: Path,
    *,
    cited: bool,
    keep_raw: bool,
) -> Order:
    """The order of a batch that runs through jobs. Raises UsageError for what makes no sense."""
    recipe = CONVERSATION
    if prompt is not None:
        recipe = DOCUMENT if response_model is None else EXTRACT_CITED if cited else EXTRACT
    # One job a slice: an answer that does not fit fails its item, and retry_failed asks again; documents may be slow to
    # read, and a job does not leave without those that belong into it.
    usual = {"retries_invalid": 0, "job_linger": LINGER_S, "mode": "jobs"}
    known = {**usual, **limits, **{n: v for n, v in options.items() if n in _LIMITS}}
    scenario = options.get("sim_scenario")
    return Order(
        items=items.rows,
        prompt=prompt,
        system=options.get("system"),
        schema=response_model,
        models=(model,),
        base_url=options.get("base_url"),
        temperature=options.get("temperature", TEMPERATURE),
        max_output_tokens=options.get("max_tokens"),
        recipe=recipe,
        limits=replace(limits_of(Limits(), known, str), keep_raw=keep_raw),
        fresh=True,
        out_dir=store.parent / "results" / "{batch}",
        sim_scenario=None if scenario is None else Path(scenario),
        command="(from Python)",
        spell=str,
    )
