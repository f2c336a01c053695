"""What a reboot changes besides the disk."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from tests.crash.checker import control_of


def forget_boot(target: Path) -> None:
    """Make what dead attempts left look as after a reboot: their owner knew another boot."""
    for path in control_of(target).glob("attempts/*/owner.json"):
        with suppress(ValueError):  # it is not synced, and may have lost its bytes
            path.write_text(json.dumps(json.loads(path.read_bytes()) | {"boot": "before the power went"}))
