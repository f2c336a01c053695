"""Pictures of pictures: raw files of any common kind, and PNGs that stages wrote."""

from __future__ import annotations

from io import BytesIO
from typing import IO, Any

from PIL import Image, ImageFile

from airflow_dirops.web.previews.shapes import Nothing, Picture, Preview

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
MAX_PIXELS = 60_000_000


def look_at_picture(file: IO[bytes], side: int) -> Preview:
    """A smaller one; of a file that is cut off as much as there is."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    with Image.open(file, formats=FORMATS) as image:
        note = f"{image.width:,} × {image.height:,} {image.mode}, {image.format}"
        if image.width * image.height > MAX_PIXELS:
            return Nothing(note=f"{note}: more pixels than a preview takes")
        image.draft("RGB", (side, side))  # a JPEG is then decoded at a fraction of its size
        return as_png(_visible(image), side, note)


def as_png(image: Image.Image, side: int, note: str) -> Picture:
    """A picture, no larger than asked for."""
    image.thumbnail((side, side))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return Picture(png=buffer.getvalue(), note=note)


def _visible(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB", "RGBA", "LA"):
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        import numpy as np

        from airflow_dirops.web.previews.greys import as_grey

        values: Any = np.asarray(image)
        return Image.fromarray(as_grey(values))
    return image.convert("RGBA" if image.mode in ("P", "PA") else "RGB")
