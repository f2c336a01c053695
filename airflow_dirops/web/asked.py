"""What a page is asked for: its address, read and written. Names that are not UTF-8 stay what they are."""

from __future__ import annotations

import os
from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl, quote

from fastapi import Depends, Request
from markupsafe import Markup, escape

_MOST_FIELDS = 100
_LONGEST = 16_384


class Asked(NamedTuple):
    """The fields of an address.

    :param root: the name of the root; empty for ``[dirops] root``.
    :param target: the target's path below the root; or an absolute one.
    :param snapshot: its id; empty for the current one.
    :param path: of a file in it, or of an input.
    :param at: where in a list the page begins.
    :param q: what is searched for.
    """

    root: str = ""
    target: str = ""
    snapshot: str = ""
    path: str = ""
    at: int = 0
    q: str = ""
    other: str = ""
    list: str = ""


def asked(request: Request) -> Asked:
    """What the address says; what it says beside that is nothing to us."""
    query = request.scope["query_string"][:_LONGEST].decode("latin-1")
    try:
        fields = dict(parse_qsl(query, errors="surrogateescape", max_num_fields=_MOST_FIELDS))
    except ValueError:
        return Asked()
    known = {name: text for name, text in fields.items() if name in Asked._fields}
    at = known.pop("at", "0")
    return Asked(**known, at=int(at) if at.isascii() and at.isdecimal() and len(at) < 19 else 0)


Address = Annotated[Asked, Depends(asked)]


def address(page: str, fields: Asked | None = None, **others: object) -> Markup:
    """A link to a page of ours, relative: all are beside each other, whatever they are mounted below.

    :param page: its name.
    :param fields: what it is to be about.
    :param others: fields that differ.
    """
    given = {**(fields._asdict() if fields else {}), **others}
    said = "&".join(f"{name}={_quoted(value)}" for name, value in given.items() if value not in ("", 0, None))
    return Markup(escape(f"{page}?{said}" if said else page))  # noqa: S704 - escaped


def _quoted(value: object) -> str:
    return quote(os.fsencode(str(value)), safe="/")
