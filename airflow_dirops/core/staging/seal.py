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
    SealedFile,
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
)
from airflow_dirops.core.format.runs import new_id
from airflow_dirops.core.place.staging import Sealing, ShardLists, Totals
from airflow_dirops.version import __version__


def write_snapshot(
    where: Path,
    sealing: Sealing,
    journal: Iterable[JournalLine],
    sorter: Callable[[str], Sorter],
    check: Callable[[Output], Output],
    check_names: Callable[[int], None],
    write_list: Callable[[ListName, Iterable[bytes]], ListRecord],
    write_header: Callable[[Manifest], None],
) -> Manifest:
    """Write the lists from the journal, then the header with their digests.

    :param where: they go, for messages.
    :param journal: of the staging area that is sealed.
    :param sorter: makes one that sorts in the attempt's own directory.
    :param check: looks once at each file before it is listed; returns it as it lies there.
    :param check_names: looks, before the lists are written, for what is not listed; gets how many files are.
    :param write_list: writes one, from its encoded lines.
    :param write_header: makes it durable, after all else.
    :returns: the header, as written.
    """
    sorters = {name: sorter(name) for name in LISTS}
    totals = _sort(journal, sorters, check, _list_lines)
    if not sealing.seen:
        _check_count(where, totals.inputs, sealing.planned)
    check_names(len(sorters[FILES]))
    unmatched = 0
    for item, lacking in sealing.unmatched:
        unmatched += 1
        sorters[SKIPPED].add(order_of(item.path), encode_line(SkippedLine.left_out(item, lacking, sealing.sources)))
    lists = {name: write_list(name, (line for _, line in sorter)) for name, sorter in sorters.items()}
    manifest = header_of(sealing, lists, totals._replace(unmatched=unmatched))
    write_header(manifest)
    return manifest


def write_shard(
    where: Path,
    planned: int,
    journal: Iterable[JournalLine],
    sorter: Callable[[str], Sorter],
    check: Callable[[Output], Output],
    check_names: Callable[[int], None],
    write_list: Callable[[str, Iterable[bytes]], ListRecord],
) -> ShardLists:
    """Write the lists of one shard from its journal; see :func:`write_snapshot`.

    :param planned: how many inputs the shard has.
    """
    sorters = {name: sorter(name) for name in LISTS}
    totals = _sort(journal, sorters, check, _sealed_lines)
    _check_count(where, totals.inputs, planned)
    check_names(len(sorters[FILES]))
    lists = {name: write_list(name, (line for _, line in sorter)) for name, sorter in sorters.items()}
    first = {name: next(iter(sorter))[0] for name, sorter in sorters.items() if len(sorter)}
    return ShardLists(totals, lists, first)


def _sort(
    journal: Iterable[JournalLine],
    sorters: dict[ListName, Sorter],
    check: Callable[[Output], Output],
    lines_of: Callable[[JournalLine, list[Output]], Iterator[tuple[ListName, str, bytes]]],
) -> Totals:
    """Turn a journal into the lines of lists, and look at each file on the way."""
    inputs = size = 0
    one_to_one = True
    for line in journal:
        inputs += line.input != EVERY_INPUT
        one_to_one = one_to_one and _gave_its_own_key(line)
        outputs = [check(output) for output in line.outputs]
        for output in outputs:
            size += output.size
        for name, path, encoded in lines_of(line, outputs):
            sorters[name].add(order_of(path), encoded)
    return Totals(inputs, size, one_to_one)


def _check_count(where: Path, inputs: int, planned: int) -> None:
    if inputs != planned:
        raise StagingChanged(where, f"{inputs} inputs are through, and {planned} were planned")


def _list_lines(line: JournalLine, outputs: list[Output]) -> Iterator[tuple[ListName, str, bytes]]:
    inputs = _inputs_of(line)
    for output in outputs:
        yield FILES, output.path, encode_line(FileLine(output.path, output.size, output.digest, inputs, line.note))
    yield from _lines_without_files(line, inputs)


def _sealed_lines(line: JournalLine, outputs: list[Output]) -> Iterator[tuple[ListName, str, bytes]]:
    inputs = _inputs_of(line)
    for path, size, digest, inode, mtime_ns in map(msgspec.structs.astuple, outputs):
        sealed = SealedFile(path, size, digest, inputs, line.note, inode=inode, mtime_ns=mtime_ns)
        yield FILES, path, encode_line(sealed)
    yield from _lines_without_files(line, inputs)


def _inputs_of(line: JournalLine) -> tuple[Input, ...]:
    return () if line.input == EVERY_INPUT else line.input.parts or (line.input,)


def _lines_without_files(line: JournalLine, inputs: tuple[Input, ...]) -> Iterator[tuple[ListName, str, bytes]]:
    item = line.input
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


def _gave_its_own_key(line: JournalLine) -> bool:
    """Whether an input, which is one file, gave one entry of its own key, or none."""
    if line.input.parts or len(line.outputs) > 1:
        return False
    return not line.outputs or key_of(line.outputs[0].path) == line.input.key


def header_of(sealing: Sealing, lists: dict[ListName, ListRecord], totals: Totals) -> Manifest:
    """The header of a snapshot with these lists."""
    counts = Counts(
        inputs=sealing.seen.count if sealing.seen else totals.inputs,
        entries=lists[FILES].lines,
        skipped=lists[SKIPPED].lines - totals.unmatched,
        quarantined=lists[QUARANTINE].lines,
        ignored=sealing.ignored,
        unmatched=totals.unmatched,
    )
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
        bytes=totals.bytes,
        lists=lists,
        seconds=round(time.monotonic() - sealing.began, 3),
        writer={"airflow-dirops": __version__, "python": platform.python_version()},
        join=stage.join,
        sources=sealing.sources if stage.join else (),
        partitions=sealing.partitions,
        inputs_digest=sealing.seen.digest if sealing.seen else None,
        one_to_one=totals.one_to_one,
        limit=stage.limit,
    )
