"""What ``{site}`` stands for in a path: which names are asked for, what answers them, and who is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from airflow_dirops.calendar.form import FORM_FIELDS
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.stage.dimensions import check_dimensions, value_problem
from airflow_dirops.runtime.templates import template_texts

_ASKED = re.compile(r"(?<![{$])\{([A-Za-z_]\w*)\}(?!\})")
PARTITION = "partition"
_LONGEST_LABEL = 250  # what Airflow's database keeps of one


def names_in(template: Any) -> set[str]:
    """The dimensions that a field's template asks for.

    :param template: a field as the DAG file has it.
    """
    return {name for text in template_texts(template) for name in _ASKED.findall(text)} - {PARTITION}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the names replaced that have a value; what a value contains is left alone.

    :param text: with ``{name}`` in it.
    :param values: the dimensions, and the partition if there is one.
    """
    return _ASKED.sub(lambda asked: values.get(asked[1], asked[0]), text)


def check_given(given: Any) -> None:
    """Refuse while the DAG file is read what can be no dimension; what only a run knows is left to it.

    :param given: the operator's ``dimensions``.
    """
    if not _is_reference(given):
        known = given.items() if isinstance(given, Mapping) else None
        check_dimensions({name: _known(value) for name, value in known} if known is not None else given)


def check_names(fields: Mapping[str, Any], given: Any, params: Collection[str], *, is_pinned: bool) -> None:
    """Refuse while the DAG file is read a name that nothing will answer, and a target that leaves one out.

    :param fields: the templates of the fields that may have names in them.
    :param given: the operator's ``dimensions``, if any.
    :param params: the names of the params that a run has.
    :param is_pinned: whether the source is an upstream's output, which may answer too.
    """
    answered = {*params, *(() if _is_reference(given) else given or ())}
    for field, template in fields.items():
        for name in sorted(names_in(template) - answered):
            if not (_is_reference(given) or (is_pinned and field != "source")):
                raise ArgumentRefused(_unanswered(field, template, name, answered))
    if "target" in fields:
        for field, template in fields.items():
            check_target(fields["target"], names_in(template), field, template)


def check_target(target: Any, names: Iterable[str], field: str, template: Any) -> None:
    """Refuse a target that is the same for two sites, of which something else is not.

    :param target: its template.
    :param names: the dimensions by which the field varies, that are not in the target by their values.
    :param field: what varies: the source, or which of its files are read.
    :param template: that of the field.
    """
    for name in sorted(set(names) - names_in(target)):
        raise ArgumentRefused(
            f"{field}={template!r} means other files for each {name}, but target={target!r} is the same, so that each "
            f"would replace the one before; put {{{name}}} into target"
        )


def settled(needed: Iterable[str], given: Any, pinned: Iterable[Any], params: Mapping[str, Any]) -> dict[str, str]:
    """The dimensions of a run: the operator's, those of the source that it pins, else the run's params.

    :param needed: the names that the paths ask for.
    :param given: the operator's ``dimensions``, rendered.
    :param pinned: the dimensions of each pinned source.
    :param params: those of the run.
    """
    found = check_dimensions(given)
    for each in pinned:
        for name, value in check_dimensions(each).items():
            if found.setdefault(name, value) != value:
                raise ArgumentRefused(
                    f"a source is {name}={value!r}, and this stage is for {name}={found[name]!r}; take sources of one, "
                    f"and give dimensions={{{name!r}: {value!r}}} or leave it out, as the source says it"
                )
    for name, value in found.items():
        if (said := params.get(name)) not in (None, "", value):
            raise ArgumentRefused(
                f"this task is for {name}={value!r}, but the run's params say {name}={shown(repr(said), 100)}; leave "
                "that field empty, or give the param another name if it means something else"
            )
    for name in needed:
        if name not in found and params.get(name) not in (None, ""):
            found[name] = _of_params(name, params[name])
    return found


def refuse_unanswered(field: str, template: Any, values: Mapping[str, str]) -> None:
    """Refuse a field that asks for what this run does not say.

    :param field: its name, for the message.
    :param values: the dimensions of the run.
    """
    for name in sorted(names_in(template) - values.keys()):
        raise ArgumentRefused(_unanswered(field, template, name, values))


def label_of(dimensions: Mapping[str, str], partition: str | None) -> str:
    """What tells one instance of a task from the others: ``berlin, 2026-11-01``."""
    return shown(", ".join([*dimensions.values(), *([partition] if partition else [])]), _LONGEST_LABEL)


def _of_params(name: str, value: Any) -> str:
    if problem := value_problem(value):
        raise ArgumentRefused(f"params[{name!r}] is {shown(repr(value), 100)}, which cannot name a folder: {problem}")
    return str(value)


def _is_reference(value: Any) -> bool:
    """Whether only a run knows it: an upstream's output, an argument of a mapped group, a template."""
    return hasattr(value, "resolve") or (isinstance(value, str) and ("{{" in value or "{%" in value))


def _known(value: Any) -> Any:
    return "known-to-the-run" if _is_reference(value) else value


def _unanswered(field: str, template: Any, name: str, known: Iterable[str] = ()) -> str:
    near = get_close_matches(name, [PARTITION, *known], n=1)
    meant = f"; or {{{near[0]}}} may be meant" if near else ""
    asked = (
        f"; or give the DAG params={{{name!r}: Param('berlin', type='string')}}, which the trigger form then asks for"
        if name not in FORM_FIELDS
        else f". A param of the name {name!r} would be a field of dirops_params()"
    )
    return (
        f"{field}={template!r} has {{{name}}} in it, a placeholder that nothing fills in. Give "
        f"dimensions={{{name!r}: 'berlin'}}; for several, .partial(...).expand(dimensions=[{{{name!r}: 'berlin'}}, "
        f"{{{name!r}: 'hamburg'}}]){asked}{meant}"
    )


def names_told(dimensions: Mapping[str, str]) -> Iterator[str]:
    """Each as a log names it: ``site berlin``."""
    return (f"{name} {value}" for name, value in dimensions.items())
