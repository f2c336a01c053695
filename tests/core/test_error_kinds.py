"""An error is known to alerts and scripts by its kind, which never changes."""

from __future__ import annotations

import pytest

from airflow_dirops.core import errors
from airflow_dirops.core.errors import DiropsError, InputError

# Append only: somebody's alert has each of them.
KINDS = {
    "argument-refused",
    "attempt-superseded",
    "check-failed",
    "commit-unknown",
    "conflict-error",
    "dangling-link",
    "dirops-error",
    "encode-error",
    "input-error",
    "key-missing",
    "key-refused",
    "key-taken",
    "listing-changed",
    "manifest-damaged",
    "manifest-missing",
    "manifest-too-new",
    "not-held",
    "nothing-made",
    "plan-damaged",
    "plan-not-seen",
    "plan-superseded",
    "record-failed",
    "resources-exhausted",
    "setup-error",
    "shard-missing",
    "snapshot-damaged",
    "snapshot-expired",
    "source-changed",
    "source-empty",
    "source-missing",
    "staging-changed",
    "storage-error",
    "target-busy",
    "target-conflict",
    "target-refused",
    "too-many-failures",
    "too-many-removed",
    "transient-error",
    "untrusted-pickle",
}
CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DiropsError)]


def test_kinds_are_added_and_never_changed() -> None:
    assert sorted(each.kind for each in CLASSES) == sorted(KINDS)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_has_a_kind_of_its_own_and_is_found_by_it(error: type[DiropsError]) -> None:
    assert "kind" in vars(error)
    assert errors.error_of_kind(error.kind) is error


def test_an_error_that_somebody_derives_is_of_the_kind_of_its_parent() -> None:
    class OurImageMissing(errors.SourceMissing):
        pass

    assert OurImageMissing("it is away").kind == "source-missing"
    assert issubclass(errors.error_of_kind("source-missing"), InputError)
    assert errors.error_of_kind("source-missing") is errors.SourceMissing
