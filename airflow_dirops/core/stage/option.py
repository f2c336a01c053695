"""How an option of a stage is defined: its default, its text, where it may be given, and its field in a form.

Its name and its type are those of the field of the class that has it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, replace
from enum import Enum
from typing import Any, Literal

REQUIRED: Any = MISSING
"""The default of what must be given."""

_METADATA = "option"


class Where(Enum):
    """Where an option may be given besides the core's functions; and the table that explains those of operators."""

    EVERY_DAY = "Every day"
    WHEN_WRONG = "When something is wrong"
    SET_UP = "Once, when a stage is set up or changed"
    ONE_RUN = "for one run, in the trigger form"
    SCRIPTS = "nowhere else"

    @property
    def is_in_dags(self) -> bool:
        return self not in (Where.ONE_RUN, Where.SCRIPTS)


@dataclass(frozen=True, kw_only=True)
class FormField:
    """A field of the trigger form that gives an option for one run. Left alone it changes nothing.

    :param title: what stands beside it.
    :param text: what stands below it.
    :param kind: what is filled in: a "choice" of some, a "switch", a "count", or a "text".
    :param choices: of a choice: what a person reads, by what it gives.
    :param name: the field's, if that is not the option's.
    :param gives: of a switch: what the option is where it is on.
    """

    title: str
    text: str
    kind: Literal["choice", "switch", "count", "text"]
    choices: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    gives: Any = True


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a definition says.

    :param name: the field's that defines it.
    :param type: the field's, as it is written.
    :param default: what it is where nobody gives it, or ``REQUIRED``.
    :param text: what it is for: sentences as in a docstring, without the last full stop.
    :param see: the page of the documentation that says more.
    :param of: the one operator that has it, where not all have.
    :param is_templated: whether Airflow renders it.
    :param is_planned: whether it bears on what would run, so that ``dirops plan`` takes it.
    :param form: its field in the trigger form.
    """

    name: str = ""
    type: str = ""
    default: Any
    where: Where
    text: str
    see: str | None = None
    of: str | None = None
    is_templated: bool = False
    is_planned: bool = False
    form: FormField | None = None

    @property
    def field_name(self) -> str:
        """The name of its field in the trigger form."""
        return (self.form.name if self.form else None) or self.name


def option(default: Any, where: Where, text: str, **more: Any) -> Any:
    """Define an option, as the field of a dataclass.

    :param default: as all the others, see :class:`Option`.
    """
    said = Option(default=default, where=where, text=text, **more)
    return field(default=default, metadata={_METADATA: said})


def options_of(kind: Any) -> dict[str, Option]:
    """The options that a class defines, by name, in their order.

    :param kind: a dataclass in a module whose annotations are not evaluated.
    """
    return {
        each.name: replace(each.metadata[_METADATA], name=each.name, type=str(each.type).replace("'", '"'))
        for each in fields(kind)
        if _METADATA in each.metadata
    }
