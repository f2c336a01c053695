"""Numbers of any range as greys."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_grey(array: Any) -> Any:
    """Values as 256 greys, over the range that all but the outermost have."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint8:
        return array
    values = array.astype(np.float32)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(array.shape, np.uint8)
    low, high = np.percentile(finite, (0.5, 99.5))
    scaled = (values - low) / (high - low if high > low else 1)
    return (np.nan_to_num(np.clip(scaled, 0, 1)) * 255).astype(np.uint8)
