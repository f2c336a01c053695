"""A snapshot as a notebook shows it: what it is, and its first files."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice

from airflow_dirops.core.errors import DiropsError
from airflow_dirops.core.format.entries import Entry, key_of
from airflow_dirops.core.messages.shown import shown
from airflow_dirops.core.place.held import Held

_MAX_FILES = 20
_MAX_PICTURE_BYTES = 200_000


def html_of(held: Held, entries: Iterable[Entry]) -> str:
    """A table of the first files; those of the codec ``image`` with their pictures, if they are small.

    :param entries: of the snapshot that is held.
    """
    manifest = held.manifest
    counts = manifest.counts
    facts = [
        f"stage <b>{_text(manifest.stage)}</b>",
        *([f"partition <b>{_text(manifest.partition)}</b>"] if manifest.partition else []),
        f"{counts.entries:,} files, {manifest.bytes:,} bytes, codec {_text(manifest.codec.name)}",
        *([f"{counts.quarantined:,} inputs quarantined"] if counts.quarantined else []),
        f"committed {_text(manifest.created)}",
    ]
    return f"<div><code>{_text(held.name)}</code><br>{', '.join(facts)}</div>{''.join(_table(held, entries))}"


def _table(held: Held, entries: Iterable[Entry]) -> Iterator[str]:
    has_pictures = held.manifest.codec.name == "image"
    yield f"<table><thead><tr><th>key</th><th>bytes</th>{'<th></th>' if has_pictures else ''}</tr></thead><tbody>"
    for entry in islice(entries, _MAX_FILES):
        picture = f"<td>{_picture(held, entry)}</td>" if has_pictures else ""
        yield f"<tr><td>{_text(key_of(entry.path))}</td><td>{entry.size:,}</td>{picture}</tr>"
    yield "</tbody></table>"
    if (more := held.manifest.counts.entries - _MAX_FILES) > 0:
        yield f"<div>and {more:,} more</div>"


def _picture(held: Held, entry: Entry) -> str:
    if entry.size > _MAX_PICTURE_BYTES:
        return "too large to show"
    try:
        with held.open(entry.path) as file:
            content = b64encode(file.read(_MAX_PICTURE_BYTES)).decode()
    except DiropsError as error:
        return _text(error)
    return f'<img src="data:image/png;base64,{content}" style="max-height: 64px">'


def _text(value: object) -> str:
    return escape(shown(value))
