"""One key of a settings file changed, everything else as it was, comments too; refused where that is not sure.

The lines are edited, then both texts are read again: they may differ in this key and nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from packmule.compose.plain_yaml import parse_yaml
from packmule.compose.setting_files import check_address, read_text
from packmule.compose.settings import PROVIDERS, checked, setting_of, split
from packmule.errors import UsageError
from packmule.exports import replacing

_MONEY = ("max_cost", "item_cap")


def set_key(path: Path, key: str, text: str) -> tuple[str, str]:
    """Write one key of a settings file: (its place in the file, its value as written). Raises UsageError."""
    place, written = _value(key, text)
    before = read_text(path) if path.is_file() else ""
    after = _edited(before, place.split("."), written)
    if not _only_changed(before, after, place.split("."), written, path):
        line = f"{place.rpartition('.')[2]}: {written}"
        message = f"{path} cannot be changed line by line, and comments would be lost; it is as it was"
        raise UsageError(message, hint=f"write it by hand below {place.rpartition('.')[0]}: {line}")
    with replacing(path) as file:
        file.write(after.encode())
    return place, written


def _value(key: str, text: str) -> tuple[str, str]:
    """(place in the file, YAML of the value)."""
    import yaml  # noqa: PLC0415 - only when one is written

    if key.startswith(f"{PROVIDERS}."):
        check_address(key, text, key)
        return key, yaml.safe_dump(text, width=1000).removesuffix("\n...\n").strip()
    setting = setting_of(key)
    place = key if key in setting.paths else setting.paths[0]
    value = checked(setting, split(setting, text), place, lax=True)
    if isinstance(value, list) and len(value) == 1 and setting.name == "model":
        value = value[0]
    plain = setting.name in _MONEY and re.fullmatch(r"\d+(\.\d+)?", text)
    dumped = text if plain else yaml.safe_dump(value, default_flow_style=True, width=1000)
    return place, dumped.removesuffix("\n...\n").strip()


def _edited(text: str, parts: list[str], value: str) -> str:
    lines = text.splitlines()
    start, end, indent = 0, len(lines), 0
    for depth, part in enumerate(parts):
        at = _line_of(lines, part, start, end, indent)
        if at is None:
            new = [f"{' ' * (indent + 2 * n)}{name}:" for n, name in enumerate(parts[depth:])]
            new[-1] += f" {value}"
            where = start if depth else len(lines)
            return "\n".join([*lines[:where], *new, *lines[where:]]) + "\n"
        if depth == len(parts) - 1:
            comment = re.search(r"\s+#[^'\"]*$", lines[at])
            lines[at] = f"{' ' * indent}{part}: {value}{comment[0] if comment else ''}"
            return "\n".join(lines) + "\n"
        start, end = at + 1, _end_of(lines, at + 1, end, indent)
        indent = next((_indent(line) for line in lines[start:end] if _says(line)), indent + 2)
    return text


def _line_of(lines: list[str], part: str, start: int, end: int, indent: int) -> int | None:
    begin = re.compile(rf"{' ' * indent}{re.escape(part)}\s*:(\s|$)")
    return next((n for n in range(start, end) if begin.match(lines[n])), None)


def _end_of(lines: list[str], start: int, end: int, indent: int) -> int:
    return next((n for n in range(start, end) if _says(lines[n]) and _indent(lines[n]) <= indent), end)


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _only_changed(before: str, after: str, parts: list[str], value: str, path: Path) -> bool:
    wanted = parse_yaml(before, str(path))
    inner: dict[str, Any] = wanted
    for part in parts[:-1]:
        inner[part] = inner.get(part) or {}
        inner = inner[part]
        if not isinstance(inner, dict):
            return False
    inner[parts[-1]] = parse_yaml(f"value: {value}", str(path))["value"]
    try:
        return parse_yaml(after, str(path)) == wanted
    except UsageError:
        return False
