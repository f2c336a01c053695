"""How the tests of a suite say which promise was broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_dirops.core.place.place import Place
    from airflow_dirops.core.place.staging import Staging


class Promises:
    """What the tests ask of the subclass; see :class:`airflow_dirops.testing.places.suite.PlaceTests`."""

    if TYPE_CHECKING:

        def put_foreign(self, place: Place) -> None: ...
        def change_foreign(self, place: Place) -> None: ...
        def remove(self, place: Place) -> None: ...
        def overwrite(self, place: Place, path: str, content: bytes | None) -> None: ...
        def overwrite_staged(self, staging: Staging, path: str, content: bytes | None) -> None: ...
        def damage_journal(self, staging: Staging) -> None: ...
        def let_pass(self, place: Place, seconds: float) -> None: ...


def expect(fact: bool, promise: str) -> None:
    """Fail the test with the promise that was broken, unless it was kept."""
    # Not an assert, which python -O would drop, and pytest explains only in the author's own tests.
    if not fact:
        pytest.fail(f"broken promise: {promise}")
