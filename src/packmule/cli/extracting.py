"""`packmule extract`: `run` over whole documents, with a schema. Its options are those of `run`, declared there."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from packmule.cli.run import run
from packmule.core.batch import EXTRACT, EXTRACT_CITED
from packmule.errors import UsageError

_Sources = Annotated[list[str] | None, typer.Argument(help="PDF, text, Markdown and image files, or folders of them.")]
_Schema = Annotated[str | None, typer.Option("--schema", help="file.py:Model, module:Model, or a JSON Schema file.")]
_Prompt = Annotated[str | None, typer.Option("--prompt", help="What to pay attention to, in your own words.")]
_Cited = Annotated[
    bool,
    typer.Option("--citations", help="Say where in the document each value stands, and which stand nowhere."),
]
_OWN = {"source": _Sources, "schema": _Schema, "prompt": _Prompt}
_FOR_ROWS = ("recipe", "key")


def extract(**given: Any) -> None:  # noqa: ANN401 - the options of `run`
    """Values by your schema out of documents, one file an item. The same command goes on where it stopped."""
    sources: Any = given.pop("source")
    if not sources and given["resume_from"] is None:
        message = "no document is named"
        raise UsageError(message, hint="packmule extract FOLDER --schema invoice.py:Invoice --citations")
    recipe = EXTRACT_CITED if given.pop("citations") else EXTRACT
    run(**given, source=sources[0] if sources and len(sources) == 1 else sources, recipe=recipe)


def _options() -> list[Parameter]:
    """Those of `run` that make sense for documents, and `--citations`."""
    options = signature(run, eval_str=True).parameters
    kept = [
        option.replace(kind=Parameter.KEYWORD_ONLY, annotation=_OWN.get(name, option.annotation))
        for name, option in options.items()
        if name not in _FOR_ROWS
    ]
    cited = Parameter("citations", Parameter.KEYWORD_ONLY, default=False, annotation=_Cited)
    place = [option.name for option in kept].index("schema") + 1
    return [*kept[:place], cited, *kept[place:]]


extract.__signature__ = signature(extract).replace(parameters=_options())  # type: ignore[attr-defined]
