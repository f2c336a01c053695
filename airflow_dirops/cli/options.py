"""A stage's options as options of a command: those that bear on what would run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, ParamSpec, TypeVar

import msgspec
import typer

from airflow_dirops.cli.functions import load_codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.option import Option
from airflow_dirops.core.stage.options import OPTIONS
from airflow_dirops.core.stage.policies import choices_of

P = ParamSpec("P")
R = TypeVar("R")

PLANNED = {name: option for name, option in OPTIONS.items() if option.is_planned}

AS_MADE = ("join", "stage", "codec")
"""What is as the target was made, unless it is given."""


class _Kind(NamedTuple):
    """How values of a type are typed.

    :param read: from what was typed, and the option's name, to the value.
    """

    annotation: Any
    hint: str = ""
    read: Callable[[Any, str], Any] = lambda typed, _: typed

    @property
    def is_list(self) -> bool:
        return bool(self.annotation == list[str])


def with_stage_options(run: Callable[P, R]) -> Callable[P, R]:
    """Give a command the options of a stage, which it takes as ``**options``.

    :param run: the command.
    """
    signature = inspect.signature(run, eval_str=True)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    *first, last = [each.replace(kind=each.KEYWORD_ONLY) for each in own]
    parameters = [*first, *map(_parameter, PLANNED.values()), last]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def stage_options(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The options as a stage takes them, without those that were left open.

    :param typed: what the command got.
    :raises ArgumentRefused: if one cannot be read.
    """
    return {
        name: _kind(PLANNED[name]).read(value, _flag(name))
        for name, value in typed.items()
        if value is not None and value is not False
    }


def _parameter(option: Option) -> inspect.Parameter:
    kind, is_made = _kind(option), option.name in AS_MADE
    default = None if is_made else [option.default] if kind.is_list else option.default
    said = typer.Option(
        *([_flag(option.name)] if option.type == "bool" else []),
        help=f"{_sentence(option.text)}{kind.hint}",
        show_default="as the target was made" if is_made else bool(default),
    )
    annotated: Any = Annotated[kind.annotation, said]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotated, default=default)


def _kind(option: Option) -> _Kind:
    if choices := choices_of(option):
        return _Kind(Literal[choices] | None)
    return _KINDS[option.type.removesuffix(" | None")]


def _one_or_each(patterns: list[str], _: str) -> str | list[str]:
    return patterns if len(patterns) > 1 else patterns[0]


def _json_object(typed: str, flag: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(typed, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        example = json.dumps({"by": 3})
        raise ArgumentRefused(
            f"{flag} {typed!r} is no JSON object: {error}; write it as in {flag} '{example}'"
        ) from error


_KINDS = {
    "bool": _Kind(bool),
    "int": _Kind(int | None),
    "str": _Kind(str | None),
    "int | str": _Kind(str | None, read=lambda typed, _: int(typed) if typed.isdecimal() else typed),
    "str | Codec": _Kind(str | None, " An object as module:object.", lambda typed, flag: load_codec(flag, typed)),
    "str | Sequence[str]": _Kind(list[str], " With several sources, once for each or once for all.", _one_or_each),
    "Mapping[str, Any]": _Kind(str | None, " As a JSON object.", _json_object),
}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _sentence(text: str) -> str:
    text = text.replace("``", "")
    return f"{text[0].upper()}{text[1:]}."
