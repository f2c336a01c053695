"""What every place must do, as tests to subclass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_dirops.testing.places.adoptions import AdoptionTests
from airflow_dirops.testing.places.claims import ClaimTests
from airflow_dirops.testing.places.commits import CommitTests
from airflow_dirops.testing.places.holds import HoldTests
from airflow_dirops.testing.places.open_claims import OpenClaimTests
from airflow_dirops.testing.places.readers import ReaderTests
from airflow_dirops.testing.places.sharing import SharingTests
from airflow_dirops.testing.places.stagings import StagingTests
from airflow_dirops.testing.places.upkeep import UpkeepTests

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_dirops.core.place.place import Place
    from airflow_dirops.core.place.staging import Staging


class PlaceTests(
    ClaimTests,
    OpenClaimTests,
    SharingTests,
    AdoptionTests,
    StagingTests,
    CommitTests,
    HoldTests,
    ReaderTests,
    UpkeepTests,
):
    """Subclass it, make an empty place, and pytest runs the contract on it::

        class TestBucketPlace(PlaceTests):
            @pytest.fixture
            def place(self, tmp_path):
                return BucketPlace(...)

    What a stranger's hand can do to a place differs from one to the next. So the tests of that ask the subclass to do
    it, and are skipped where it does not say how.
    """

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """Make a place that nobody has written to."""
        raise NotImplementedError(f"{type(self).__name__} must say which place it tests")

    def put_foreign(self, place: Place) -> None:
        """Put something that no stage wrote where the target would be."""
        pytest.skip(f"{type(self).__name__} does not say how something foreign gets into {place.name}")

    def change_foreign(self, place: Place) -> None:
        """Put more there, after :meth:`put_foreign`."""
        pytest.skip(f"{type(self).__name__} does not say how something foreign changes in {place.name}")

    def remove(self, place: Place) -> None:
        """Remove the current snapshot, as with ``rm -r``, and nothing of what the place keeps beside it."""
        pytest.skip(f"{type(self).__name__} does not say how what is at {place.name} is removed")

    def overwrite(self, place: Place, path: str, content: bytes | None) -> None:
        """Change a file of the current snapshot behind the place's back.

        :param content: what it holds then, None if it is gone.
        """
        pytest.skip(f"{type(self).__name__} does not say how {path!r} of {place.name} becomes {content!r}")

    def overwrite_staged(self, staging: Staging, path: str, content: bytes | None) -> None:
        """The same to a file of a staging area."""
        pytest.skip(f"{type(self).__name__} does not say how {path!r} of {staging} becomes {content!r}")

    def damage_journal(self, staging: Staging) -> None:
        """Take a line out of the journal of a staging area."""
        pytest.skip(f"{type(self).__name__} does not say how the journal of {staging} gets damaged")

    def let_pass(self, place: Place, seconds: float) -> None:
        """Let that much time pass, by the clock of the place, since anybody was last at work there."""
        pytest.skip(f"{type(self).__name__} does not say how {seconds} s pass for {place.name}")
