"""Which errors Airflow is told not to retry."""

from __future__ import annotations

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from airflow_dirops.core import errors

_LASTING = (
    errors.SetupError,
    errors.EncodeError,
    errors.KeyRefused,
    errors.NothingMade,
    errors.ManifestDamaged,
    errors.SnapshotDamaged,
    errors.SnapshotExpired,  # a retry would ask for the same pinned snapshot
    errors.ListingChanged,  # nor does a directory become again what it was
    errors.AttemptSuperseded,
)


def _failing_at(*lasting: type[errors.DiropsError]) -> ExceptionRetryPolicy:
    rule = RetryRule(
        exception=[*lasting],
        action=RetryAction.FAIL,
        reason="Another try would fail in the same way; see the error for what to do.",
    )
    return ExceptionRetryPolicy(rules=[rule])


RETRY_POLICY = _failing_at(*_LASTING)
"""How the operators deal with errors unless told otherwise.

What another try cannot change fails at once. Everything else follows the task's ``retries``: a file
system that was full, a source that was not there yet, a user's function that raised. So does a
:class:`~airflow_dirops.core.errors.TargetConflict`: the next try begins on the snapshot that won,
and mostly finds that nothing is left to do.
"""

SHARD_RETRY_POLICY = _failing_at(*_LASTING, errors.SourceChanged)
"""As a shard of a stage deals with them: its plan says what the files were."""

COMMIT_RETRY_POLICY = _failing_at(*_LASTING, errors.TargetConflict, errors.TooManyFailures, errors.CheckFailed)
"""As the commit of a sharded stage deals with them: neither its plan nor what was made of it changes by another try."""
