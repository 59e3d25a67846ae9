"""Schemas as people give them: a JSON Schema file or its text, a dict, `module:Model`, `file.py:Model`, a class.

Wrong ones are refused before anything is spent, with what is wrong in them. Nothing is ever fetched.
"""

from __future__ import annotations

import json
import re
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.validators import validator_for
from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from packmule.checks.answers import shortened
from packmule.checks.schema import Schema, json_schema, model_schema
from packmule.errors import UsageError

HINT = "give a JSON Schema file, module:PydanticModel or file.py:PydanticModel"

_model_name = re.compile(r"(?:[A-Za-z_][\w.]*|.+\.py):[A-Za-z_][\w.]*")


def load_schema(spec: str | Path | dict[str, Any] | type) -> Schema:
    """The schema that `spec` means. Raises UsageError with a sentence when it is none."""
    if isinstance(spec, dict):
        return _from_dict("the schema", spec)
    if isinstance(spec, type):
        return _from_model(spec.__name__, spec)
    if not isinstance(spec, (str, Path)):
        message = f"a schema cannot be of type {type(spec).__name__}"
        raise UsageError(message, hint=HINT)
    if isinstance(spec, str) and spec.lstrip().startswith("{"):
        return _from_dict("the schema", _parsed(spec, "the schema"))
    if _model_name.fullmatch(str(spec)) and not Path(spec).exists():
        return _from_name(str(spec))
    return _from_dict(f"the schema {spec}", _read(Path(spec)))


def _read(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _parsed(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        folder = path.parent
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        near = get_close_matches(path.name, names, n=1)
        message = f"the schema file {path} does not exist"
        raise UsageError(message, hint=f"did you mean {folder / near[0]}?" if near else HINT) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        message = f"the schema {path} is not valid JSON: {type(error).__name__}"
        raise UsageError(message) from None
    except OSError as error:
        message = f"the schema {path} cannot be read: {error.strerror or error}"
        raise UsageError(message) from None


def _parsed(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{name}, line {error.lineno}, column {error.colno}: the schema is not valid JSON: {error.msg}"
        raise UsageError(message) from None
    except (RecursionError, ValueError) as error:
        message = f"{name} is not valid JSON: {type(error).__name__}"
        raise UsageError(message) from None


def _from_dict(name: str, schema: Any) -> Schema:  # noqa: ANN401 - any JSON value
    if not isinstance(schema, dict):
        message = f"{name} is not a JSON Schema: it must be an object, and is a {type(schema).__name__}"
        raise UsageError(message, hint=HINT)
    try:
        validator = validator_for(schema, default=Draft202012Validator)
        validator.check_schema(schema)
        _check_references(name, schema)
        loaded = json_schema(name, schema, validator)
        validator(schema, registry=Registry()).is_valid({})
    except SchemaError as error:
        message = f"{name} is not a valid JSON Schema: at {error.json_path}: {shortened(error.message)}"
        raise UsageError(message) from None
    except RecursionError:
        message = f"{name} refers to itself without end"
        raise UsageError(message) from None
    except (TypeError, ValueError) as error:
        message = f"{name} is not a valid JSON Schema: {shortened(str(error))}"
        raise UsageError(message) from None
    return loaded


def _check_references(name: str, schema: dict[str, Any]) -> None:
    """Every `$ref` must lead to a place in the schema itself."""
    base = str(schema.get("$id", ""))
    resolver = Registry().with_resource(base, DRAFT202012.create_resource(schema)).resolver(base)
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            message = f"{name} refers to {reference!r}, which it does not hold"
            raise UsageError(message, hint="put what it refers to under $defs in the same file") from None


def _references(node: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """All `$ref` strings of a schema."""
    found: list[str] = []
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            found.append(node["$ref"])
        for part in node.values():
            found += _references(part)
    elif isinstance(node, list):
        for part in node:
            found += _references(part)
    return found


def _from_name(spec: str) -> Schema:
    module_name, _, name = spec.partition(":")
    value: Any = _imported(module_name, spec)
    for part in name.split("."):
        if not hasattr(value, part):
            models = [key for key, kind in vars(value).items() if isinstance(kind, type)]
            near = get_close_matches(part, models, n=1)
            message = f"{module_name} has no {name!r}"
            raise UsageError(message, hint=f"did you mean {module_name}:{near[0]}?" if near else HINT)
        value = getattr(value, part)
    return _from_model(spec, value)


def _imported(module_name: str, spec: str) -> ModuleType:
    """Import a module, the working folder's own included, or a file."""
    if module_name.endswith(".py") and not Path(module_name).is_file():
        message = f"the schema {spec} cannot be imported: there is no file {module_name}"
        raise UsageError(message, hint=HINT)
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return module_of(Path(module_name)) if module_name.endswith(".py") else import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module_name}.".startswith(f"{error.name}."):
            message = f"the schema {spec} cannot be imported: {error.name!r} is not installed"
            raise UsageError(message) from None
        message = f"the schema {spec} cannot be imported: there is no module {error.name!r} here or installed"
        raise UsageError(message, hint=HINT) from None
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        message = f"the schema {spec} cannot be imported: {type(error).__name__}: {shortened(str(error))}"
        raise UsageError(message) from error
    finally:
        sys.path.remove(here)


def module_of(path: Path) -> ModuleType:
    """The module in a file, imported under a name of its own. Raises whatever its code raises."""
    name = f"packmule_file_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        message = f"{path} is no Python file"
        raise ImportError(message)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _from_model(name: str, model: Any) -> Schema:  # noqa: ANN401 - whatever the name led to
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        message = f"{name} is not a pydantic model"
        raise UsageError(message, hint="it must be a class that derives from pydantic.BaseModel")
    try:
        return model_schema(name, model, model.model_json_schema())
    except PydanticUserError as error:
        message = f"{name} has no JSON Schema: {shortened(str(error))}"
        raise UsageError(message) from None
