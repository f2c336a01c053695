"""The page of one snapshot: who may see it, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.core.directories import write_texts
from tests.web.conftest import Browser, commit

Open = Callable[..., Browser]


def test_it_says_who_made_it_from_what_and_what_is_in_it(browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha", b="beta")
    outcome = commit(root, "interim/texts", partition="2026-11-01")
    page = browser().open("snapshot", target="interim/texts")
    assert page.status == 200, page.text
    for said in ("images.read , run manual__1, try 1", "2 files, 9 bytes", "raw", "2026-11-01", str(outcome.snapshot)):
        assert said in page.text
    assert 'href="../dags/images/runs/manual__1/tasks/read"' in page.html
