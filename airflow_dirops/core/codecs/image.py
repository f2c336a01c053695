"""``image``: one PNG per file, without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

# What skimage.io ends up in; but skimage.io closes the file it is given, and can only write to a path.
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from airflow_dirops.core.codecs.refusal import cannot_write

if TYPE_CHECKING:
    from numpy.typing import NDArray

# On a 256x256 photograph 6 ms and 9 % larger; Pillow's own level 6 takes 19 ms.
COMPRESS_LEVEL = 1
# As many as Pillow opens unless told otherwise; not what it is told in this process, since others read it.
MAX_PIXELS = 178_956_970
_GREY = ("bool", "uint8", "uint16")


@dataclass(frozen=True, slots=True)
class ImageCodec:
    """Grey images of bool, uint8 or uint16, and uint8 images with three or four channels.

    These are what PNG gives back with the dtype, shape and values it was given.
    """

    name: ClassVar[str] = "image"
    suffix: ClassVar[str] = ".png"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write an image array."""
        if not isinstance(value, np.ndarray):
            raise cannot_write("image", value, "it takes numpy arrays")
        _check(value)
        native = value.astype(value.dtype.newbyteorder("="), copy=False)
        Image.fromarray(native).save(file, "PNG", compress_level=COMPRESS_LEVEL)

    def decode(self, file: BinaryIO) -> NDArray[Any]:
        """Read an image array."""
        # Not Image.open, which has the limit and the warning of whatever process this is.
        with PngImageFile(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(
                    f"{image.width:,} × {image.height:,} pixels are more than the {MAX_PIXELS:,} that are read"
                )
            pixels = np.array(image)
        # Pillow gives a black-and-white image bytes of 0 and 255, of which NumPy's True is 1.
        return pixels.view(np.uint8) != 0 if pixels.dtype == np.bool_ else pixels


def _check(image: NDArray[Any]) -> None:
    """Refuse what PNG, or Pillow, cannot hold exactly."""
    reason, instead = f"PNG does not hold {image.dtype} in shape {image.shape}", None
    if (_is_grey(image) or _is_colour(image)) and image.size:
        if image.shape[0] * image.shape[1] <= MAX_PIXELS:
            return
        reason = f"no more than {MAX_PIXELS:,} pixels are read, and this has shape {image.shape}"
        instead = "codec='npy'"
    elif _can_become_bytes(image):
        instead = "skimage.util.img_as_ubyte(image)"
    elif image.size:
        instead = "grey bool, uint8 or uint16, or uint8 with 3 or 4 channels last"
    raise cannot_write("image", image, reason, instead=instead)


def _can_become_bytes(image: NDArray[Any]) -> bool:
    """Whether scikit-image's conversion takes it: it wants floats from -1 to 1."""
    if image.dtype.kind != "f" or not image.size or not np.all(np.abs(image) <= 1):
        return False
    return image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))


def _is_grey(image: NDArray[Any]) -> bool:
    return image.ndim == 2 and image.dtype.name in _GREY


def _is_colour(image: NDArray[Any]) -> bool:
    return image.ndim == 3 and image.shape[2] in (3, 4) and image.dtype == np.uint8
