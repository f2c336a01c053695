"""A share goes away in the middle of a stage: the message says what was being done, and what to do about a mount."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash.checker import look
from tests.crash.shim import Strike
from tests.crash.world import Ended, Warm, World, made_of, make_sources

ANSWERS = {
    errno.EIO: "the device or the share reported an error; look at the disk, the mount and the kernel log",
    errno.ESTALE: "or the share went away; try again, and mount the share anew if that fails too",
    errno.ENOTCONN: "what was mounted there does not answer; look at its server or device, mount it anew",
}
STAGING = "{world}/.dirops/day/attempts/"


class Away(NamedTuple):
    """From which call on a share is away, and what the message says that was being done."""

    call: str
    doing: str


SOURCE = {
    "looking for the source": Away("look {source} ", "opening the source '{source}' failed"),
    "listing": Away("list {source} ", "listing '{source}"),
    "listing, half of it": Away("list-on {source}/deep/er ", "listing '{source}/deep"),
    "looking at a file": Away("look {source}/deep/er/c.raw ", "'{source}/deep/er/c.raw' failed"),
    "reading": Away("open-read {source}/deep/er/c.raw ", "reading '{source}/deep/er/c.raw' failed"),
}
TARGET = {
    "claiming": Away("mkdir {world}/.dirops", "making the control directory '{world}/.dirops/day' failed"),
    "locking": Away("flock {world}/.dirops/day/lock", "locking '{world}/.dirops/day/lock' failed"),
    "reading the manifest": Away("open-read {world}/day/_dirops", "reading '{world}/day/_dirops/manifest.json' failed"),
    "staging": Away("write " + STAGING, "failed"),
    "making durable": Away("fsync " + STAGING, "making durable '" + STAGING),
    "sealing": Away("_dirops/manifest.json", "failed"),
    "committing": Away("renameat2 ", "putting the new snapshot in place of '{world}/day' failed"),
}


class Share:
    """A source and a target on it; the target has a snapshot."""

    def __init__(self, warm: Warm, home: Path) -> None:
        make_sources(home / "sources")
        self.home, self.source = home, home / "sources" / "two"
        self.world = World(warm, home / "share", home / "sources")
        self.world.root.mkdir()
        self.world.commit(source="one", mark="A", run="first")

    def run(self, strike: Strike, **options: Any) -> Ended:
        """Run a stage on what is new; a strike reaches whatever lies on the share."""
        arguments = {"source": str(self.source), "target": str(self.world.target), "mark": "B", "run": "second"}
        watched: dict[str, Any] = {"watch": str(self.home), "strike": vars(strike), "plain": False, "reads": 2}
        return self.world.warm.wait(self.world.warm.start("stage", arguments | options, **watched))

    def filled(self, text: str) -> str:
        return text.format(source=self.source, world=self.world.root)


@pytest.fixture
def share(warm: Warm, here: Path) -> Share:
    return Share(warm, here)


@pytest.mark.parametrize("answer", ANSWERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", [*SOURCE, *TARGET])
def test_the_message_says_what_was_being_done_and_what_to_do(share: Share, operation: str, answer: int) -> None:
    away = (SOURCE | TARGET)[operation]
    before = look(share.world.target)
    ended = share.run(Strike("fail-on", 1, share.filled(away.call), answer))
    assert ended.error == "StorageError", ended
    assert share.filled(away.doing) in ended.message
    assert ANSWERS[answer] in ended.message
    assert look(share.world.target) == before
    again = share.run(Strike(), try_number=2)  # as it says
    assert again.result, again
    assert look(share.world.target).content == made_of(share.source, "B")


@pytest.mark.parametrize("answer", ANSWERS, ids=errno.errorcode.get)
class TestInQuarantineMode:
    OPTIONS = {"on_error": "quarantine", "max_failures": "100%"}  # noqa: RUF012 - nobody changes it

    def test_a_bad_sector_costs_one_file(self, share: Share, answer: int) -> None:
        ended = share.run(Strike("fail-on", 1, f"open-read {share.source}/deep/er/c.raw", answer), **self.OPTIONS)
        assert ended.result, ended
        assert ended.result["counts"]["quarantined"] == 1

    def test_a_share_that_is_away_costs_none(self, share: Share, answer: int) -> None:
        """Else all of a day would be in quarantine, and the run green."""
        strike = Strike("fail-on", 20, str(share.source), answer)
        ended = share.run(strike, **self.OPTIONS)
        assert ended.error == "StorageError", ended
        assert ANSWERS[answer] in ended.message
