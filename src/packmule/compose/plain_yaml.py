"""YAML as it is written by people: data only, a key once, and a number only where every YAML says it is one.

`1:30`, `010` and `1_000` are numbers to YAML 1.1 and other numbers, or texts, to YAML 1.2: here they are texts, and a
setting that needs a number refuses them. What a YAML writer of either kind writes is read as it was meant.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from packmule.errors import UsageError

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_EXPONENT = r"(?:[eE][-+][0-9]+)?"
_NUMBERS = {
    _INT: r"[-+]?(?:0|[1-9][0-9]*)$",
    _FLOAT: rf"[-+]?[0-9]+\.[0-9]*{_EXPONENT}$|\.[0-9]+{_EXPONENT}$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
}


class _Twice(yaml.MarkedYAMLError):
    """A key that a mapping has already; plain YAML would keep the last and say nothing."""


class _Loader(yaml.SafeLoader):
    """The safe loader with the rules above."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                problem = f"the key {key.value!r} stands here for the second time"
                raise _Twice(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] not in _NUMBERS]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _rule in _NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_rule), list("-+.0123456789"))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """YAML text that holds a mapping. Raises UsageError with `name`, line and column."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or error.context
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        if isinstance(error, _Twice):
            message = f"{name}{place}: {problem}"
            raise UsageError(message, hint="keep one of them") from None
        message = f"{name}{place}: this is not valid YAML: {problem}"
        raise UsageError(message, hint="mind the indentation, and quote texts that hold : or #") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"{name}: this is not valid YAML: {error}"
        raise UsageError(message) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        message = f"{name}: it must hold keys and values, like 'defaults:', and is a {type(data).__name__}"
        raise UsageError(message)
    return data
