"""A JSON value that obeys a JSON Schema, filled from the material of the prompt.

Total: every schema gets a value. What cannot be obeyed by construction (a `pattern` that nothing found matches,
`not`, `if`) is left to chance, as a model would leave it.
"""

from __future__ import annotations

import random
from typing import Any

from packmule.sim.fields import number_near
from packmule.sim.material import Material
from packmule.sim.numbers import number_for
from packmule.sim.quoting import asks_for_quotes, quotes
from packmule.sim.strings import Writer
from packmule.sim.tables import rows
from packmule.sim.words import content_words, name_words, sentiment, words

DEPTH_MAX = 8
ITEMS_MOST = 10_000
ITEMS_TYPICAL = 3

TOO_DEEP = 64


class Filler:
    """Fills one schema. `root` resolves `$ref`."""

    def __init__(self, root: Any, material: Material, chance: random.Random) -> None:  # noqa: ANN401 - any JSON
        self._root = root
        self._material = material
        self._chance = chance
        self._writer = Writer(material, chance)

    def fill(self, schema: Any, name: str = "", depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
        """A value for `schema`, which stands under the property `name`."""
        if depth > TOO_DEEP:
            # A schema that needs itself again and again is satisfied by nothing.
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._pick(schema["enum"], _hint(schema, name))
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._branch(schema, key, name, depth)
        match _kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._writer.write(schema, name)
            case "integer" | "number" as kind:
                return number_for(schema, name, self._material.data, self._chance, whole=kind == "integer")
            case "boolean":
                return self._yes(name, schema)
            case _:
                return None

    def _resolved(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Follow `$ref`, fold `allOf` in; `true` is any string."""
        if not isinstance(schema, dict):
            return {"type": "string"}
        found: dict[str, Any] = schema
        seen = 0
        while "$ref" in found and seen < DEPTH_MAX:
            rest = {key: value for key, value in found.items() if key != "$ref"}
            found = _target(self._root, found["$ref"]) | rest
            seen += 1
        for part in found.get("allOf", ()):
            found = _merged(self._resolved(part), {key: value for key, value in found.items() if key != "allOf"})
        return found

    def _branch(self, schema: dict[str, Any], key: str, name: str, depth: int) -> Any:  # noqa: ANN401 - any JSON
        rest = {other: value for other, value in schema.items() if other != key}
        branches = [_merged(rest, self._resolved(part)) for part in schema[key]]
        empty = [part for part in branches if _kind(part) == "null"]
        full = [part for part in branches if _kind(part) != "null"]
        unsaid = empty and len(full) == 1 and _kind(full[0]) in {"number", "integer"} and not self._material.making
        if not full or (depth >= DEPTH_MAX and empty) or (unsaid and number_near(name, self._material.data) is None):
            return self.fill(empty[0], name, depth)
        return self.fill(full[0] if depth >= DEPTH_MAX else self._likeliest(full, name), name, depth)

    def _likeliest(self, branches: list[dict[str, Any]], name: str) -> dict[str, Any]:
        """Among several shapes the one whose words the data uses most; the first on a tie."""
        said = set(words(self._material.prompt))

        def overlap(part: dict[str, Any]) -> int:
            names = [*part.get("properties", {}), *map(str, part.get("enum", ())), _hint(part, name)]
            return len(said.intersection(word for text in names for word in name_words(text)))

        return max(branches, key=overlap)

    def _pick(self, options: list[Any], hint: str) -> Any:  # noqa: ANN401 - any JSON
        """The option that the data speaks for."""
        return pick(options, self._material.data, hint, self._chance)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        properties: dict[str, Any] = schema.get("properties", {})
        names = [name for name in properties if name in required or depth < DEPTH_MAX]
        names += [name for name in required if name not in properties]
        quoting = [name for name in names if self._is_quoting(properties.get(name, True))]
        plain = {name: self.fill(properties.get(name, True), name, depth + 1) for name in names if name not in quoting}
        found = {name: quotes(plain, self._material.data) if name in quoting else plain[name] for name in names}
        extra = schema.get("additionalProperties", True)
        low = schema.get("minProperties", 0)
        if not found and not properties and isinstance(extra, dict) and depth < DEPTH_MAX:
            low = max(low, 2)
        topics = iter([*self._material.topics, *(f"field_{number}" for number in range(low))])
        while len(found) < min(low, schema.get("maxProperties", low)) and extra is not False:
            name = next(topics)
            found.setdefault(name, self.fill(extra, name, depth + 1))
        return found

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        if table := self._rows(schema):
            return table[: schema.get("maxItems", ITEMS_MOST)]
        low = min(schema.get("minItems", 0), ITEMS_MOST)
        high = schema.get("maxItems", max(low, ITEMS_TYPICAL, len(first)))
        if schema.get("items") is False:
            high = min(high, len(first))
        typical = ITEMS_TYPICAL if self._material.making else min(ITEMS_TYPICAL, len(self._material.sentences))
        count = low if depth >= DEPTH_MAX else min(high, max(low, len(first), typical))
        found = [self.fill(part, name, depth + 1) for part in first[:count]]
        tries = 0
        while len(found) < count and tries < count * 8:
            tries += 1
            value = self.fill(schema.get("items", True), name, depth + 1)
            spare = len(found) < low and not schema.get("uniqueItems")
            if spare or not any(_same(value, other) for other in found):
                found.append(value)
        return found

    def _is_quoting(self, schema: Any) -> bool:  # noqa: ANN401 - any JSON
        schema = self._resolved(schema)
        return asks_for_quotes(schema, self._resolved(schema.get("items")))

    def _rows(self, schema: dict[str, Any]) -> list[Any]:
        """Objects of a list, read from the rows of a table in the data."""
        inner = self._resolved(schema.get("items"))
        found = []
        for row in rows(self._material.data, list(inner.get("properties", ()))):
            text = "\n".join(f"{name}: {cell}" for name, cell in row.items())
            found.append(Filler(self._root, self._material.only(text), self._chance).fill(inner))
        return found

    def _yes(self, name: str, schema: dict[str, Any]) -> bool:
        """True when the data speaks of it, or else by its tone."""
        asked = set(content_words(_hint(schema, name)))
        if asked & set(self._material.weights):
            return sentiment(self._material.line()) >= 0
        return sentiment(self._material.data) > 0


def pick(options: list[Any], data: str, hint: str, chance: random.Random) -> Any:  # noqa: ANN401 - any JSON
    """The option whose words stand in the data, else the one of its tone, else any."""
    said = words(data)
    counts = {id(option): sum(map(said.count, name_words(str(option)))) for option in options}
    best = max(counts.values())
    if best > 0:
        return max(options, key=lambda option: counts[id(option)])
    tone = sentiment(data)
    wanted = {1: "positive good yes true happy pro pass", -1: "negative bad no false angry con fail"}
    mood = wanted.get((tone > 0) - (tone < 0), "neutral mixed other unknown none")
    for option in options:
        if set(name_words(str(option))) & set(mood.split()):
            return option
    del hint
    return chance.choice(options)


def _hint(schema: dict[str, Any], name: str) -> str:
    return f"{' '.join(name_words(name))} {schema.get('title', '')} {schema.get('description', '')}"


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "const" in schema:
        return "null" if schema["const"] is None else "string"
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if {"minimum", "maximum", "multipleOf"} & schema.keys() else "string"


def _target(root: Any, ref: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    found = root
    for part in ref.removeprefix("#").strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) and key else found
    return found if isinstance(found, dict) else {}


def _merged(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    both = one | two
    for key in ("properties", "$defs"):
        if key in one and key in two:
            both[key] = one[key] | two[key]
    if "required" in one and "required" in two:
        both["required"] = list(dict.fromkeys([*one["required"], *two["required"]]))
    return both


def _same(one: Any, two: Any) -> bool:  # noqa: ANN401 - any JSON
    """JSON's equality: true is not 1, and 1 is 1.0."""
    return isinstance(one, bool) == isinstance(two, bool) and bool(one == two)
