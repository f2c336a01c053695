"""The functions that the package was made for, and small ones over text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skimage import io


def read_image(path: str) -> Any:
    if path.endswith(".png"):
        return path, io.imread(path)
    return None


def red_channel(image: Any) -> Any:
    return image[:, :, 0]


def read_text(path: str) -> str | None:
    return Path(path).read_text() if path.endswith(".txt") else None


def shout(text: str) -> str:
    return text.upper()
