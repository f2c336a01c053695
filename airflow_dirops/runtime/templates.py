"""What a field's template promises: whether it names the partition, and whether it changes from run to run."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, meta, nodes

from airflow_dirops.calendar.formats import DAILY, read_name, write_name
from airflow_dirops.calendar.windows import PartitionWindow
from airflow_dirops.core.stage.partitions import PLACEHOLDER

DATES = frozenset(
    {
        *("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "execution_date"),
        *("data_interval_start", "data_interval_end", "task_instance_key_str"),
        *("prev_data_interval_start_success", "prev_data_interval_end_success", "prev_start_date_success"),
    }
)
"""What a run without a logical date does not have."""

_BY_RUN = DATES | {"dirops", "dag_run", "run_id", "partition_key", "partition_date", "macros", "prev_end_date_success"}
_BY_TASK = frozenset({"ti", "task_instance", "triggering_asset_events", "inlet_events"})
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_DAY = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}|\d{8})(?!\d)")


def has_jinja(text: str) -> bool:
    """Whether a text has anything in it that Jinja would fill in or take out."""
    return bool(_JINJA.search(text))


def template_texts(template: Any) -> list[str]:
    """The texts of a field's template, without what is Jinja's.

    :param template: a field as the DAG file has it: a path, a list of them, several partitions, or a reference.
    """
    if isinstance(template, (list, tuple)):
        return [text for each in template for text in template_texts(each)]
    return [_JINJA.sub("", _text(template.path if isinstance(template, PartitionWindow) else template))]


def mentions_partition(template: Any) -> bool:
    """Whether a field's template asks for the partition.

    :param template: a field as the DAG file has it: a path, or a reference to an upstream's output.
    """
    if isinstance(template, (list, tuple)):
        return any(map(mentions_partition, template))
    if isinstance(template, PartitionWindow):
        return template.asks_run
    return PLACEHOLDER in _text(template) or "dirops" in names_used(template)


def names_used(template: Any) -> set[str]:
    """The names of Airflow's context that a template uses."""
    if not _JINJA.search(_text(template)):
        return set()
    try:
        return set(meta.find_undeclared_variables(Environment(autoescape=True).parse(_text(template))))
    except TemplateSyntaxError:
        return set()  # Airflow says so when it renders the field


def varies_by(template: Any, overrides: Collection[str]) -> set[str]:
    """What makes a template another path in another run: "run", "params" or "task"; nothing, for one path always.

    :param overrides: the params that this run has otherwise than the DAG.
    """
    names = names_used(template)
    found = {"run"} if names & _BY_RUN or mentions_partition(template) else set()
    if names & _BY_TASK:
        found.add("task")
    if "params" in names and overrides and not _params_used(template).isdisjoint({None, *overrides}):
        found.add("params")
    return found


def has_partition(template: Any, rendered: str, partition: str) -> bool:
    """Whether a path is another one for another partition: by its template, not by what it happens to contain.

    :param template: what the DAG file says.
    :param rendered: what Airflow made of it.
    """
    if mentions_partition(template):
        return True
    parts = partition.split("/")
    literal = [] if not isinstance(template, (str, os.PathLike)) else _literal_parts(_text(template))
    return _count(rendered.split("/"), parts) > _count(literal, parts)


def other_date(template: Any, rendered: str, partition: str, partition_format: str | None) -> str | None:
    """A date in a rendered path that is not the partition's, if there is one.

    :param template: what the DAG file says; dates that it has itself are meant.
    :param rendered: what Airflow made of it.
    """
    if not isinstance(template, (str, os.PathLike)) or not _JINJA.search(_text(template)):
        return None
    formats = (partition_format or DAILY, DAILY, "%Y%m%d")
    for text, form in _dates(template, rendered, formats):
        with suppress(ValueError):
            if not _belongs(text, form, partition, formats[0]):
                return text
    return None


def _dates(template: Any, rendered: str, formats: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Texts of a rendered path that may be dates, each with the format it would be of."""
    literal = _literal_parts(_text(template))
    parts = rendered.split("/")
    own, length = formats[0], formats[0].count("/") + 1
    windows = ["/".join(parts[at : at + length]) for at in range(len(parts) - length + 1)]
    for window in windows:
        if window not in ("/".join(literal[at : at + length]) for at in range(len(literal) - length + 1)):
            yield window, own
    for part in parts:
        if part not in literal:
            yield from ((day, DAILY if "-" in day else "%Y%m%d") for day in _DAY.findall(part))


def _belongs(text: str, form: str, partition: str, partition_format: str) -> bool:
    date = read_name(text, form)
    try:
        own = read_name(partition, partition_format)
    except ValueError:
        return True  # the partition is no date
    return write_name(date, partition_format) == partition or write_name(own, form) == text


def _params_used(template: Any) -> set[str | None]:
    """The params that a template uses; None for one whose name only the run knows."""
    tree = Environment(autoescape=True).parse(_text(template))
    asked = [name for node in tree.find_all((nodes.Getattr, nodes.Getitem)) for name in _param_asked(node)]
    is_passed_on = sum(name.name == "params" for name in tree.find_all(nodes.Name)) > len(asked)
    return {*asked, *([None] if is_passed_on else [])}


def _param_asked(node: Any) -> list[str | None]:
    if not (isinstance(node.node, nodes.Name) and node.node.name == "params"):
        return []
    return [node.attr if isinstance(node, nodes.Getattr) else _constant(node.arg)]


def _constant(node: nodes.Node) -> str | None:
    return node.value if isinstance(node, nodes.Const) and isinstance(node.value, str) else None


def _literal_parts(template: str) -> list[str]:
    """The parts of a path that a template has itself; None of them holds Jinja."""
    return [part for part in _JINJA.sub("\0", template).split("/") if "\0" not in part]


def _count(parts: list[str], wanted: list[str]) -> int:
    length = len(wanted)
    return sum(parts[at : at + length] == wanted for at in range(len(parts) - length + 1))


def _text(template: Any) -> str:
    return os.fspath(template) if isinstance(template, (str, os.PathLike)) else ""
