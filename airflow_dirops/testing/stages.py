"""Stages on inputs that a test has in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from airflow_dirops.core.api import iter_plan, read_directory, transform_directory
from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import codec_names, resolve_codec
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.format.entries import path_problem
from airflow_dirops.core.stage.keywords import StageKeywords
from airflow_dirops.testing.inputs import codec_for, write_files, write_values
from airflow_dirops.testing.made import Made

Values = Mapping[str, Any] | Made | str | os.PathLike[str]
"""Values by key; what an earlier stage made; or the path of a target."""


class Stages:
    """Runs stages in a folder, as the operators do and without Airflow::

        def test_the_red_channel(stages):
            made = stages.transform({"a": np.zeros((2, 3, 4), np.uint8)}, red_channel)
            assert_same_snapshot(made, {"a": np.zeros((2, 3), np.uint8)})

    A second run with the same ``target`` is a rerun: its plan says what it computes again, and why.

    :param folder: where inputs and results are kept.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def read(
        self,
        inputs: Mapping[str, Any] | str | os.PathLike[str],
        read: Callable[..., Any],
        *,
        target: str = "target",
        **options: Unpack[StageKeywords],
    ) -> Made:
        """Run a stage that reads files, as ``DirectoryReadOperator`` does.

        :param inputs: files by name: bytes, a str, or a value for the codec whose suffix the name has, such as an array
            for ``a.png``; or the path of a folder.
        :param read: the function under test.
        :param target: names the result.
        :param options: those of :func:`~airflow_dirops.core.api.read_directory`.
        :raises ArgumentRefused: if an input cannot be a file.
        :raises DiropsError: as the stage itself.
        """
        raw = self._folder("raw", target)
        source = Path(inputs) if isinstance(inputs, str | os.PathLike) else write_files(raw, inputs)
        return self._run(read_directory, target, options, source=source, read=read)

    def transform(
        self,
        inputs: Values | Sequence[Values],
        transform: Callable[..., Any] | None = None,
        *,
        aggregate: Callable[..., Any] | None = None,
        target: str = "target",
        **options: Unpack[StageKeywords],
    ) -> Made:
        """Run a stage on the values of an earlier one, as ``StagedTransformOperator`` does.

        :param inputs: values by key; what an earlier stage made; or, with ``join=``, a list of such.
        :param transform: the function under test.
        :param aggregate: or this one, of all records.
        :param target: names the result.
        :param options: those of :func:`~airflow_dirops.core.api.transform_directory`. ``source_codec`` writes the
            values that are given; left out, it is the one that is made for their type.
        :raises ArgumentRefused: if an input cannot be a record.
        :raises DiropsError: as the stage itself.
        """
        several = inputs if isinstance(inputs, Sequence) and not isinstance(inputs, str) else [inputs]
        sources: Any = [
            self._source(each, self._folder("sources", target, str(number)), options)
            for number, each in enumerate(several)
        ]
        source = sources if several is inputs else sources[0]
        functions = {"transform": transform, "aggregate": aggregate}
        return self._run(transform_directory, target, options, source=source, **functions)

    def _run(self, stage: Callable[..., Any], target: str, options: StageKeywords, **arguments: Any) -> Made:
        what: dict[str, Any] = {"durability": "process", **options, **arguments, "target": self._folder("made", target)}
        # A run that would be refused raises by itself.
        plan = dict(iter_plan(on_objection=lambda _: None, **what))
        return Made(stage(**what), options.get("codec", "npy"), plan)

    def _source(self, given: Values, folder: Path, options: StageKeywords) -> Any:
        if isinstance(given, Made):
            _vouch_for(given.codec, options)
            return given.outcome.to_dict()
        if isinstance(given, str | os.PathLike):
            return given
        codec = resolve_codec(options.get("source_codec") or codec_for(given))
        _vouch_for(codec, options)
        made = read_directory(
            source=write_values(folder / "values", given, codec),
            target=folder / "source",
            read=_Decode(codec),
            codec=codec,
            stage="inputs",
            version="1",
            empty="commit",
            max_removed="100%",
            durability="process",
        )
        return made.to_dict()

    def _folder(self, kind: str, target: str, *more: str) -> Path:
        if problem := path_problem(target):
            raise ArgumentRefused(f"target={target!r} cannot name the result: {problem}; give a name such as 'red'")
        return self.folder.joinpath(kind, target, *more)


class _Decode:
    """Reads a file that a codec wrote."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def __call__(self, path: str) -> tuple[str, Any]:
        with open(path, "rb") as file:
            return path, self._codec.decode(file)  # with its path, since a value may be a pair


def _vouch_for(codec: str | Codec, options: StageKeywords) -> None:
    """A manifest says which codec reads a snapshot, but for pickles, and for codecs that are not registered."""
    if not isinstance(codec, str) and codec.name in codec_names():
        codec = codec.name
    if not isinstance(codec, str) or codec == "pickle":
        options.setdefault("source_codec", codec)
