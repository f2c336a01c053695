"""Checks of a sealed snapshot before anybody sees it, ready made; and what calls them.

A check gets the sealed snapshot, and the one that it would replace or None. What it returns or yields, as text, speaks
against it; so does what it raises. It may ask by name for ``params``, ``partition`` and ``dimensions``.
"""

from airflow_dirops.core.checks.ready_made import (
    at_least,
    at_most_fewer,
    at_most_quarantined,
    every_record,
    steady_mean,
)

__all__ = ["at_least", "at_most_fewer", "at_most_quarantined", "every_record", "steady_mean"]
