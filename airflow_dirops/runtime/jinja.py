"""What fields ask of Jinja that it cannot give: refused when the DAG is read, or told when a run renders them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.context import Context as Known
from jinja2 import TemplateSyntaxError

from airflow_dirops.calendar.windows import PartitionWindow
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.runtime.macro import NAME
from airflow_dirops.runtime.templates import DATES, names_used

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

_SIGNS = ("{{", "{%", "{#")


def is_for_jinja(text: str) -> bool:
    """Whether Jinja would look at more than the letters of a text."""
    return any(sign in text for sign in _SIGNS)


def check_templates(fields: Mapping[str, Any], dag: DAG, placeholders: Collection[str]) -> None:
    """Refuse while the DAG file is read what Jinja cannot read, and what only stands between single braces.

    :param fields: the templates of an operator's fields.
    :param placeholders: what is filled in between single braces.
    """
    taken = {*Known.__annotations__, *(dag.user_defined_macros or ())}
    for field, template in fields.items():
        for text in _texts(template):
            try:
                dag.get_template_env().parse(text)
            except TemplateSyntaxError as error:
                raise ArgumentRefused(
                    f"{field}={text!r} cannot be rendered by Jinja: {error.message}. A name that is filled in here "
                    "stands between single braces, as {partition}"
                ) from error
            if asked := sorted(names_used(text) & set(placeholders) - taken):
                raise ArgumentRefused(f"{field}={text!r} {_single_braces(asked[0])}")


def undefined(
    templates: Mapping[str, Any], context: Context, error: Exception, placeholders: Collection[str]
) -> ArgumentRefused:
    """What to say where a name in a field stands for nothing.

    :param templates: the fields as the DAG file has them.
    :param error: what Jinja says.
    :param placeholders: what is filled in between single braces.
    """
    lost = {name: sorted(names) for name, each in templates.items() if (names := names_used(each) & DATES)}
    if lost and not context.get("logical_date"):
        fields = ", ".join(f"{name}={templates[name]!r}" for name in lost)
        which = " and ".join(sorted({repr(each) for names in lost.values() for each in names}))
        return ArgumentRefused(
            f"{fields} cannot be rendered: {which} is undefined, since this run has no logical date; runs with a "
            f"partition key have none. Write {{partition}}, or within Jinja {NAME}.partition, which every run has"
        )
    for name, template in templates.items():
        if asked := sorted(names_used(template) & set(placeholders) - Known.__annotations__.keys()):
            return ArgumentRefused(f"{name}={template!r} {_single_braces(asked[0])}")
    return ArgumentRefused(
        f"a field cannot be rendered: {error}; mend the name, or give it a default: {{{{ name | default('all') }}}}"
    )


def _single_braces(name: str) -> str:
    return f"asks Jinja for {name!r}, which it does not have; write {{{name}}}, with single braces"


def _texts(template: Any) -> Iterator[str]:
    """The texts in a field that Jinja looks into."""
    if isinstance(template, PartitionWindow):
        template = [template.path, template.since, template.until]
    if isinstance(template, Mapping):
        template = list(template.values())
    if isinstance(template, list | tuple):
        for each in template:
            yield from _texts(each)
    elif isinstance(template, str) and is_for_jinja(template):
        yield template
    elif isinstance(template, os.PathLike) and is_for_jinja(os.fsdecode(template)):
        raise ArgumentRefused(
            f"{os.fsdecode(template)!r} is not rendered, as it is a {type(template).__name__}; write it as a str, not "
            "as a Path"
        )
