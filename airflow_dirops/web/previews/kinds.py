"""How a file is looked at, by its codec and its name. Nothing is decoded that could run code."""

from __future__ import annotations

import os

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"})
TEXTS = frozenset({".txt", ".md", ".log", ".xml", ".yaml", ".yml", ".toml", ".ini", ".html", ".svg", ".py"})
_BY_CODEC = {"npy": "npy", "npz": "npz", "image": "picture", "json": "json", "text": "text", "pickle": "pickle"}
_BY_SUFFIX = {
    **dict.fromkeys(PICTURES, "picture"),
    **dict.fromkeys(TEXTS, "text"),
    ".npy": "npy",
    ".npz": "npz",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".pkl": "pickle",
}


def kind_of(path: str, codec: str | None = None) -> str:
    """What to look at a file as.

    :param path: its name decides where the codec does not.
    :param codec: of its snapshot; None for a file that no stage wrote.
    """
    if codec in _BY_CODEC:
        return _BY_CODEC[codec]
    return _BY_SUFFIX.get(os.path.splitext(path)[1].lower(), "bytes")
