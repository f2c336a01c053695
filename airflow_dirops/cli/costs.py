"""What redoing takes, as the columns of a table."""

from __future__ import annotations

from typing import Any

from airflow_dirops.core import Cost
from airflow_dirops.core.messages.duration import duration


def cost_facts(cost: Cost | None) -> dict[str, Any]:
    """Inputs, megabytes and time; None for each where nothing tells."""
    at_most = "up to " if cost is not None and cost.at_most else ""
    return {
        "files": None if cost is None else f"{at_most}{cost.files:,}",
        "MB": None if cost is None else f"{at_most}{cost.bytes / 1e6:,.1f}",
        "time": None if cost is None else f"{at_most}{duration(cost.seconds)}",
    }
