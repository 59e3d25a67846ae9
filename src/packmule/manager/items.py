"""Conversations and files as a caller gives them, made into rows and paths, or refused by number and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packmule.compose import keep_document
from packmule.errors import BatchManagerError

_ROLES = ("system", "user", "assistant")
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Items:
    """`rows` is what a source is made of: rows with messages, or paths; `contents` what a state file says of each."""

    rows: list[Any]
    contents: list[Any]


def conversations(messages: Any) -> Items:  # noqa: ANN401 - checked here
    """Each a text, or a list of messages with role and content. Raises BatchManagerError."""
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        message = f"messages must be a list of conversations, not {type(messages).__name__}"
        raise BatchManagerError(message, hint="one conversation an item: a text, or a list of messages")
    return Items([_row(given, number) for number, given in enumerate(messages)], list(messages))


def _row(given: Any, number: int) -> dict[str, Any]:  # noqa: ANN401 - checked here
    where = f"messages[{number}]"
    if isinstance(given, dict):
        message = f"{where} is a single message, and a conversation is wanted"
        raise BatchManagerError(message, hint="give a list of conversations, each a list of messages")
    turns = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(turns, list | tuple) or not turns:
        message = f"{where} is no conversation: {given!r:.60}"
        raise BatchManagerError(message, hint="give a text, or a list of messages with role and content")
    for turn in turns:
        _check_turn(turn, where)
    system = [_text(turn["content"]) for turn in turns if turn["role"] == "system"]
    rest = [turn for turn in turns if turn["role"] != "system"]
    if not rest or rest[-1]["role"] != "user":
        message = f"{where} does not end with a message of the user, so there is nothing to answer"
        raise BatchManagerError(message)
    return {"messages": rest, "system": "\n\n".join(system)} if system else {"messages": rest}


def _check_turn(turn: Any, where: str) -> None:  # noqa: ANN401 - checked here
    if not isinstance(turn, dict) or turn.get("role") not in _ROLES:
        message = f"{where} holds {turn!r:.60}, which is no message with role {', '.join(_ROLES)}"
        raise BatchManagerError(message)
    content = turn.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        message = f"{where}: the content of a message must be text, or a list of text parts"
        raise BatchManagerError(message, hint="documents and images are given as files=, with a prompt")
    if not _text(content).strip():
        message = f"{where}: a message of the {turn['role']} is empty"
        raise BatchManagerError(message)


def _text(content: Any) -> str:  # noqa: ANN401 - checked before
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def documents(files: Any, store: Path) -> Items:  # noqa: ANN401 - checked here
    """Paths, and bytes that are kept beside the store. Raises BatchManagerError naming every file that is none."""
    if isinstance(files, str | bytes | Path) or not isinstance(files, Sequence):
        message = f"files must be a list of paths or bytes, not {type(files).__name__}"
        raise BatchManagerError(message, hint="give files=[...]")
    troubles = [said for number, given in enumerate(files) if (said := _trouble(given, number))]
    if troubles:
        more = f"; and {len(troubles) - SHOWN:,} more" if len(troubles) > SHOWN else ""
        message = f"{'; '.join(troubles[:SHOWN])}{more}"
        raise BatchManagerError(message, hint="nothing was sent")
    rows = [str(keep_document(store.parent, given) if isinstance(given, bytes) else given) for given in files]
    contents = [f"<bytes length={len(given)}>" if isinstance(given, bytes) else str(given) for given in files]
    return Items(rows, contents)


def _trouble(given: Any, number: int) -> str:  # noqa: ANN401 - checked here
    """Why it can be no item; '' for nothing."""
    if isinstance(given, bytes):
        return "" if given else f"files[{number}] is empty"
    if not isinstance(given, str | Path):
        return f"files[{number}] is neither a path nor bytes: {given!r:.40}"
    path = Path(given)
    try:
        if not path.exists():
            return f"{path} does not exist"
        if not path.is_file():
            return f"{path} is not a file"
        return "" if path.stat().st_size else f"{path} is empty"
    except (OSError, ValueError) as error:
        return f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
