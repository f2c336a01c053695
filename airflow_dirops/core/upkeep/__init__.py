"""What a person does to a target between runs: look at its history, check it, mend it, roll it back, clean up.

Whatever changes the target is a commit like any other: under a claim, by one swap, whole or not at all.
"""

from airflow_dirops.core.place.held import Kept
from airflow_dirops.core.upkeep.accept import accept_removal
from airflow_dirops.core.upkeep.adopt import adopt, adoption_of
from airflow_dirops.core.upkeep.clean import Cleaned, clean
from airflow_dirops.core.upkeep.failures import FailedInput, Failures, list_failures
from airflow_dirops.core.upkeep.history import list_snapshots
from airflow_dirops.core.upkeep.publishing import list_held, list_rejections, publish, reject
from airflow_dirops.core.upkeep.remains import is_tried, what_is_left
from airflow_dirops.core.upkeep.repair import Repaired, repair
from airflow_dirops.core.upkeep.rollback import rollback
from airflow_dirops.core.upkeep.verify import verify

__all__ = [
    "Cleaned",
    "FailedInput",
    "Failures",
    "Kept",
    "Repaired",
    "accept_removal",
    "adopt",
    "adoption_of",
    "clean",
    "is_tried",
    "list_failures",
    "list_held",
    "list_rejections",
    "list_snapshots",
    "publish",
    "reject",
    "repair",
    "rollback",
    "verify",
    "what_is_left",
]
