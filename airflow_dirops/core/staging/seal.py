"""The lists and the header of what an attempt has finished."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from airflow_dirops.core.disk.sorting import Sorter
from airflow_dirops.core.errors import StagingChanged
from airflow_dirops.core.format.entries import EVERY_INPUT, Input, key_of, order_of
from airflow_dirops.core.format.journal import JournalLine, Output
from airflow_dirops.core.format.lines import encode_line
from airflow_dirops.core.format.lists import (
    FILES,
    LISTS,
    QUARANTINE,
    SKIPPED,
    FileLine,
    QuarantineLine,
    SkippedLine,
)
from airflow_dirops.core.format.manifest import (
    FORMAT,
    CodecRecord,
    Counts,
    FunctionRecord,
    ListName,
    ListRecord,
    Manifest,
    SourceRecord,
)
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.staging import Sealing
from airflow_dirops.version import __version__


def write_snapshot(
    where: Path,
    sealing: Sealing,
    journal: Iterable[JournalLine],
    sorter: Callable[[str], Sorter],
    check: Callable[[Output], None],
    check_names: Callable[[int], None],
    write_list: Callable[[ListName, Iterable[bytes]], ListRecord],
    write_header: Callable[[Manifest], None],
) -> Manifest:
    """Write the lists from the journal, then the header with their digests.

    :param where: they go, for messages.
    :param journal: of the staging area that is sealed.
    :param sorter: makes one that sorts in the attempt's own directory.
    :param check: looks once at each file before it is listed.
    :param check_names: looks, before the lists are written, for what is not listed; gets how many files are.
    :param write_list: writes one, from its encoded lines.
    :param write_header: makes it durable, after all else.
    :returns: the header, as written.
    """
    sorters = {name: sorter(name) for name in LISTS}
    inputs = size = 0
    one_to_one = True
    for line in journal:
        inputs += line.input != EVERY_INPUT
        one_to_one = one_to_one and _gave_its_own_key(line)
        for output in line.outputs:
            check(output)
            size += output.size
        for name, path, encoded in _list_lines(line):
            sorters[name].add(order_of(path), encoded)
    if not sealing.seen and inputs != sealing.planned:
        raise StagingChanged(where, f"{inputs} inputs are through, and {sealing.planned} were planned")
    check_names(len(sorters[FILES]))
    unmatched = 0
    for item, lacking in sealing.unmatched:
        unmatched += 1
        sorters[SKIPPED].add(order_of(item.path), encode_line(_left_out(item, lacking, sealing.sources)))
    lists = {name: write_list(name, (line for _, line in sorter)) for name, sorter in sorters.items()}
    counts = Counts(
        inputs=sealing.seen.count if sealing.seen else inputs,
        entries=lists[FILES].lines,
        skipped=lists[SKIPPED].lines - unmatched,
        quarantined=lists[QUARANTINE].lines,
        ignored=sealing.ignored,
        unmatched=unmatched,
    )
    manifest = _header(sealing, lists, counts, size, one_to_one=one_to_one)
    write_header(manifest)
    return manifest


def _list_lines(line: JournalLine) -> Iterator[tuple[ListName, str, bytes]]:
    item = line.input
    inputs = () if item == EVERY_INPUT else item.parts or (item,)
    for output in line.outputs:
        yield FILES, output.path, encode_line(FileLine(output.path, output.size, output.digest, inputs, line.note))
    if line.state == "skipped" and inputs:
        skipped = SkippedLine(item.path, item.size, item.mtime_ns, item.digest, item.beside, accepted=line.note)
        yield SKIPPED, item.path, encode_line(skipped)
    if line.failure:
        failed = QuarantineLine(
            path=item.path,
            size=item.size,
            mtime_ns=item.mtime_ns,
            digest=item.digest,
            beside=item.beside,
            **msgspec.structs.asdict(line.failure),
        )
        yield QUARANTINE, item.path, encode_line(failed)


def _left_out(item: Input, lacking: tuple[int, ...], sources: tuple[SourceRecord, ...]) -> SkippedLine:
    places = " and ".join(repr(sources[number].location) for number in lacking)
    return SkippedLine(item.path, item.size, digest=item.digest, reason=f"no match in {places}")


def _gave_its_own_key(line: JournalLine) -> bool:
    """Whether an input, which is one file, gave one entry of its own key, or none."""
    if line.input.parts or len(line.outputs) > 1:
        return False
    return not line.outputs or key_of(line.outputs[0].path) == line.input.key


def _header(
    sealing: Sealing, lists: dict[ListName, ListRecord], counts: Counts, size: int, *, one_to_one: bool
) -> Manifest:
    stage = sealing.stage
    codec = stage.output_codec
    return Manifest(
        format=FORMAT,
        snapshot=new_id(),
        base=sealing.base.snapshot if sealing.base else None,
        stage=stage.name,
        partition=stage.partition,
        dimensions=dict(stage.dimensions or {}),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        attempt=sealing.attempt.record(),
        source=sealing.sources[0],
        function=FunctionRecord(
            name=stage.function_name,
            fingerprint=sealing.code.fingerprint,
            parts=sealing.code.parts,
            parts_left_out=sealing.code.left_out,
        ),
        codec=CodecRecord(name=codec.name, suffix=codec.suffix),
        durability=stage.durability,
        digest="sha256",
        counts=counts,
        bytes=size,
        lists=lists,
        seconds=round(time.monotonic() - sealing.began, 3),
        writer={"airflow-dirops": __version__, "python": platform.python_version()},
        join=stage.join,
        sources=sealing.sources if stage.join else (),
        partitions=sealing.partitions,
        inputs_digest=sealing.seen.digest if sealing.seen else None,
        one_to_one=one_to_one,
        limit=stage.limit,
    )
