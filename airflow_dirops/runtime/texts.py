"""Fields stay texts, also where a DAG's templates keep types: ``20261101`` names a folder, and is no number.

With ``render_template_as_native_obj=True`` Airflow takes whatever looks like a value of Python for one, without Jinja
in it as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.context import render_template_to_string

from airflow_dirops.runtime.templates import has_jinja

if TYPE_CHECKING:
    from airflow.sdk import Context

_MEANT = (str, Mapping, list, type(None))
"""What a template may be rendered to: a text, an upstream's output, several of them; None is refused with its name."""


def kept_as_text(template: Any, rendered: Any, context: Context) -> Any:
    """A field as it was rendered, with the texts in it that became something else.

    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    :param context: the task's context.
    """
    if isinstance(template, str):
        return _text(template, rendered, context)
    if isinstance(template, list | tuple) and isinstance(rendered, list | tuple) and len(template) == len(rendered):
        return type(template)(kept_as_text(*each, context) for each in zip(template, rendered, strict=True))
    if isinstance(template, Mapping) and isinstance(rendered, Mapping) and template.keys() == rendered.keys():
        return {name: kept_as_text(template[name], rendered[name], context) for name in template}
    return rendered


def _text(template: str, rendered: Any, context: Context) -> Any:
    if has_jinja(template) and isinstance(rendered, _MEANT):
        return rendered
    env = context["dag"].get_template_env(force_sandboxed=True)
    return render_template_to_string(env.from_string(template), context)
