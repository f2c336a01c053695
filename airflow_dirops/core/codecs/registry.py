"""From a codec's name, or the user's own object, to a codec."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_dirops.core.errors import ArgumentRefused

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from airflow_dirops.core.codecs.base import Codec

ENTRY_POINT_GROUP = "airflow_dirops.codecs"

_HERE = "airflow_dirops.core.codecs"
_BUILT_IN = {
    "npy": (f"{_HERE}.npy", "NpyCodec"),
    "npz": (f"{_HERE}.npz", "NpzCodec"),
    "pickle": (f"{_HERE}.pickled", "PickleCodec"),
    "json": (f"{_HERE}.json_document", "JsonCodec"),
    "text": (f"{_HERE}.text", "TextCodec"),
    "bytes": (f"{_HERE}.raw", "BytesCodec"),
    "image": (f"{_HERE}.image", "ImageCodec"),
}


def codec_names() -> tuple[str, ...]:
    """All names that :func:`resolve_codec` knows; imports none of the codecs."""
    return (*_BUILT_IN, *sorted({entry.name for entry in _entry_points()} - _BUILT_IN.keys()))


def resolve_codec(codec: str | Codec) -> Codec:
    """Find a codec, and check that it can be used.

    :param codec: a name, or an object with ``name``, ``suffix``, ``encode`` and ``decode``.
    :raises ArgumentRefused: if the name is unknown, or the object is not a codec.
    """
    if not isinstance(codec, str):
        return _checked(codec)
    if codec in _BUILT_IN:
        return _built_in(codec)
    return _third_party(codec)


def check_codec(codec: str | Codec) -> None:
    """Refuse what is no codec, and import none.

    :raises ArgumentRefused: if the name is unknown, or the object is not a codec.
    """
    if not isinstance(codec, str):
        _checked(codec)
    elif codec not in _BUILT_IN and not any(entry.name == codec for entry in _entry_points()):
        raise _unknown(codec)


def _unknown(name: str) -> ArgumentRefused:
    return ArgumentRefused(
        f"there is no codec {name!r}{_suggestion(name)}; known are {', '.join(codec_names())}; give one of your "
        "own as an object, in codec= to write and in source_codec= (open_snapshot: codec=) to read, or register it "
        f"under the entry point group {ENTRY_POINT_GROUP!r}"
    )


def _built_in(name: str) -> Codec:
    module, kind = _BUILT_IN[name]
    codec: Codec = getattr(import_module(module), kind)()
    return codec


def _third_party(name: str) -> Codec:
    found = [entry for entry in _entry_points() if entry.name == name]
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        rivals = " and ".join(sorted(map(_origin, found)))
        raise ArgumentRefused(f"codec {name!r} is registered by {rivals}; uninstall all but one of them")
    codec = _checked(_load(found[0]))
    if codec.name != name:
        # A manifest carries the codec's own name, and a reader must find the same codec under it.
        raise ArgumentRefused(
            f"{_origin(found[0])} registers {name!r}, but that codec calls itself {codec.name!r}, and the two must be "
            "the same; repair or upgrade that package"
        )
    return codec


def _entry_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # tens of ms, which built-in names need not wait for

    return list(entry_points(group=ENTRY_POINT_GROUP))


def _load(entry: EntryPoint) -> Any:
    try:
        found = entry.load()
        return found() if isinstance(found, type) else found
    except Exception as error:
        what = f"codec {entry.name!r} of {_origin(entry)} cannot be loaded from {entry.value!r}"
        raise ArgumentRefused(f"{what}: {error}; repair or upgrade that package") from error


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _suggestion(name: str) -> str:
    close = get_close_matches(name.removeprefix("."), codec_names(), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _checked(codec: Any) -> Codec:
    if findings := list(_faults(codec)):
        what = f"{codec!r} is not a codec; it needs name, suffix, encode(value, file) and decode(file)"
        raise ArgumentRefused(what, findings)
    checked: Codec = codec
    return checked


def _faults(codec: Any) -> list[str]:
    if isinstance(codec, type):
        return [f"it is a class; give an object of it: {codec.__name__}()"]
    return [
        fault
        for wrong, fault in (
            (not _is_word(getattr(codec, "name", None)), "its name must be a str without white space"),
            (_takes_a_built_in_name(codec), "its name belongs to a built-in codec; choose another"),
            (not _is_suffix(getattr(codec, "suffix", None)), "its suffix must be like '.xyz', without '/'"),
            (not callable(getattr(codec, "encode", None)), "it has no method encode(value, file)"),
            (not callable(getattr(codec, "decode", None)), "it has no method decode(file)"),
        )
        if wrong
    ]


def _is_word(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and [name] == name.split()


def _is_suffix(suffix: object) -> bool:
    return _is_word(suffix) and isinstance(suffix, str) and suffix[:1] == "." != suffix and "/" not in suffix


def _takes_a_built_in_name(codec: Any) -> bool:
    # Readers find the built-in codec under that name, and would misread the files.
    name, home = getattr(codec, "name", None), (type(codec).__module__, type(codec).__name__)
    return isinstance(name, str) and _BUILT_IN.get(name, home) != home
