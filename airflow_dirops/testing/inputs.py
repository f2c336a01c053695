"""Files for a stage to read, from what a test has in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.refusal import fitting_codec, type_name
from airflow_dirops.core.codecs.registry import codec_names, resolve_codec
from airflow_dirops.core.errors import ArgumentRefused, EncodeError
from airflow_dirops.core.format.entries import path_problem

Encode = Callable[[str, Any], bytes]


def write_files(folder: Path, inputs: Mapping[str, Any]) -> Path:
    """Make a folder hold these files and no others; those that hold what they should are not touched.

    :param inputs: by name relative to the folder: bytes, a str, or a value for the codec whose suffix the name has,
        such as an array for ``a.png`` or a dict for ``a.json``.
    :returns: the folder.
    :raises ArgumentRefused: with everything that cannot be a file.
    """
    return _write(folder, inputs, _by_name)


def write_values(folder: Path, values: Mapping[str, Any], codec: Codec) -> Path:
    """The same of values, each in a file that is named as its key.

    :param codec: writes all of them.
    """
    named = {f"{key}{codec.suffix}": value for key, value in _checked_mapping(values).items()}
    return _write(folder, named, lambda _, value: _encoded(codec, value))


def codec_for(values: Mapping[str, Any]) -> str:
    """The name of the codec that fits values of one kind.

    :raises ArgumentRefused: if they are of several kinds.
    """
    found = {key: fitting_codec(value) for key, value in _checked_mapping(values).items()}
    if strange := [f"{key!r:.100}: a {type_name(values[key])}" for key, name in found.items() if name is None]:
        raise ArgumentRefused("no codec writes these values; say which does with source_codec=", strange)
    kinds = set(filter(None, found.values()))
    if len(kinds) > 1:
        raise ArgumentRefused(
            f"these values want several codecs ({', '.join(sorted(kinds))}), and a snapshot has one; give values of "
            "one kind, or say which codec with source_codec="
        )
    return kinds.pop() if kinds else "npy"


def _checked_mapping(inputs: Any) -> Mapping[str, Any]:
    if isinstance(inputs, Mapping):
        return inputs
    raise ArgumentRefused(
        f"{inputs!r:.100} is no mapping of names to what they stand for, such as {{'a.txt': b'text'}}"
    )


def _by_name(name: str, value: Any) -> bytes:
    if isinstance(value, str | bytes | bytearray):
        return value.encode() if isinstance(value, str) else bytes(value)
    codecs = {codec.suffix: codec for codec in map(resolve_codec, codec_names())}
    if codec := codecs.get(Path(name).suffix):
        return _encoded(codec, value)
    raise EncodeError(
        f"no codec writes a {type(value).__name__} into such a file; give its bytes, or a name that ends with one of "
        f"{', '.join(codecs)}"
    )


def _encoded(codec: Codec, value: Any) -> bytes:
    file = io.BytesIO()
    codec.encode(value, file)
    return file.getvalue()


def _write(folder: Path, inputs: Mapping[str, Any], encode: Encode) -> Path:
    files, findings = {}, []
    for name, value in _checked_mapping(inputs).items():
        try:
            files[name] = encode(_checked(name, inputs), value)
        except (ArgumentRefused, EncodeError) as error:
            findings.append(f"{name!r:.100}: {error}")
    if findings:
        raise ArgumentRefused("these inputs cannot be files", findings)
    _make(folder, files)
    return folder


def _checked(name: str, inputs: Mapping[str, Any]) -> str:
    if problem := path_problem(name):
        raise ArgumentRefused(problem)
    if above := [str(each) for each in Path(name).parents if str(each) in inputs]:
        raise ArgumentRefused(f"it lies in {above[0]!r}, which is a file")
    return name


def _make(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        # What is written again has another time, and would be read again.
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
