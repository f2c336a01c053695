"""How values become files: one codec per file format, found by name.

"Codec" here is a file format with a suffix. Python's own ``codecs`` module is about text encodings.
Each format is a module of its own, imported when it is asked for.
"""

from __future__ import annotations

from airflow_dirops.core.codecs.base import Codec
from airflow_dirops.core.codecs.registry import codec_names, resolve_codec

__all__ = ["Codec", "codec_names", "resolve_codec"]
