"""From a rendered field to an absolute path, or to an error that names the field and its template."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.pins import pin_of
from airflow_dirops.core.stage.locations import checked_path
from airflow_dirops.core.stage.partitions import PartitionsLike
from airflow_dirops.runtime.several_sources import several_sources


def pairs(template: Any, rendered: Any) -> list[tuple[Any, Any]]:
    """A field's template with what it was rendered to; for a list of sources, each with its own.

    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    """
    if not isinstance(rendered, (list, tuple)):
        return [(template, rendered)]
    templates = template if isinstance(template, (list, tuple)) else [template] * len(rendered)
    return list(zip(templates, rendered, strict=True))


def refuse_nothing(field: str, template: Any, rendered: Any) -> None:
    """Refuse a field that its template left empty: it would mean "everything", or "here".

    :param field: the field's name, for the message.
    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    """
    if template is None or not (rendered is None or (isinstance(rendered, str) and _is_nothing(rendered))):
        return
    raise ArgumentRefused(
        f"{field}={_shown(template)} was rendered to {rendered!r}, which names nothing; nothing was read or "
        "written. Give the value that it asks for, or a default in the template"
    )


def check_literal(field: str, given: Any) -> None:
    """Refuse while the DAG file is read what no run could take for a path.

    :param field: the field's name, for the message.
    :param given: what the DAG file says; what only a run knows is left to it.
    """
    if isinstance(given, list | tuple):
        for each in given:
            check_literal(field, each)
    elif not (hasattr(given, "resolve") or isinstance(given, Mapping | PartitionsLike)) or isinstance(
        given, os.PathLike
    ):
        text = os.fsdecode(given) if isinstance(given, os.PathLike) else given
        if not isinstance(text, str):
            raise ArgumentRefused(f"{field}={text!r} is a {type(text).__name__}, not a path")
        if not text.strip():
            raise ArgumentRefused(f"{field}={text!r} names nothing; give the path of a directory")
        _refuse_url(field, text)


def path_text(field: str, template: Any, rendered: Any) -> str:
    """What a path field was rendered to, if that can be a path at all.

    :param field: the field's name, for the message.
    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    """
    if isinstance(rendered, os.PathLike):
        rendered = os.fspath(rendered)
    if not isinstance(rendered, str):
        raise ArgumentRefused(f"{field}={_shown(template)} is a {type(rendered).__name__}, not a path")
    if rendered != template and any(map(_is_nothing, _parts(rendered, str(template)))):
        raise ArgumentRefused(
            f"{field}={_shown(template)} was rendered to {rendered!r}, where a part of the path is missing; "
            "nothing was read or written. Give the value that it asks for, or a default in the template"
        )
    if "{{" in rendered or "{%" in rendered:
        raise ArgumentRefused(f"{field}={_shown(template)} was not rendered; write it as a str, not as a Path")
    return rendered


def absolute_path(field: str, path: str, root: str | None, *, kept: str | None = None) -> str:
    """Where a path of a DAG lies: as it says, or beneath the root.

    :param field: the field's name, for the message.
    :param path: the path, filled in.
    :param root: the setting ``[dirops] root``, if there is one.
    :param kept: a placeholder in it that is filled in later.
    """
    _refuse_url(field, path)
    if path.startswith("~"):
        return checked_path(field, path, kept=kept)
    if not os.path.isabs(path):
        if not root:
            raise ArgumentRefused(
                f"{field}={path!r} is relative, and there is no root for it. It would have meant "
                f"{os.path.abspath(path)!r}, after the directory this process was started in. "
                "Set root in the section [dirops] of Airflow's configuration (AIRFLOW__DIROPS__ROOT), "
                "or write the path absolute"
            )
        path = _beneath(field, path, root)
    checked_path(field, path, kept=kept)
    return path


def pinned_source(template: Any, rendered: Any) -> Mapping[str, Any] | None:
    """An upstream's output, if that is what a source was rendered to; None for a path.

    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    """
    if isinstance(rendered, Mapping):
        try:
            pin_of(rendered)
        except ArgumentRefused as error:
            raise ArgumentRefused(f"source={_shown(template)} is no output of a stage or a sensor: {error}") from error
        return rendered
    if isinstance(rendered, Sequence) and not isinstance(rendered, (str, bytes)):
        raise ArgumentRefused(several_sources(_shown(template), rendered))
    return None


def source_text(rendered: Any) -> str:
    """Name a source in a log: its path, and the snapshot if one is pinned; several with commas.

    :param rendered: what Airflow made of the field.
    """
    if isinstance(rendered, (list, tuple)):
        return ", ".join(map(source_text, rendered))
    return str(pin_of(rendered) or rendered)


def _refuse_url(field: str, path: str) -> None:
    if "://" in path:
        raise ArgumentRefused(f"{field}={path!r} is a URL; only paths of mounted file systems can be used")


def _is_nothing(text: str) -> bool:
    return text.strip() in ("", "None")


def _parts(rendered: str, template: str) -> list[str]:
    # a slash that the template itself ends with is meant; one left over from "raw/{{ x }}" means everything
    return rendered.removeprefix("/").removesuffix("/" if template.endswith("/") else "").split("/")


def _beneath(field: str, path: str, root: str) -> str:
    if not os.path.isabs(root) and not root.startswith("~"):
        raise ArgumentRefused(f"root={root!r} in the section [dirops] is relative itself; make it absolute")
    root = checked_path("[dirops] root", root)
    joined = os.path.join(root, path)
    if os.path.relpath(joined, root).split("/")[0] == "..":
        raise ArgumentRefused(f"{field}={path!r} leads out of the root {root!r}; write such a path absolute")
    return joined


def _shown(template: Any) -> str:
    return repr(template) if isinstance(template, str) else str(template)
