"""Watching many folders at once, and telling each once: what the watcher sees, and what a relay makes of it."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset

from airflow_dirops import arrivals, commits, target_asset
from airflow_dirops.core import read_directory
from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.operators.relay import MOST_AT_ONCE, NoteToldOperator, TellArrivalsOperator
from airflow_dirops.triggers.arrivals import ArrivalsTrigger
from airflow_dirops.triggers.rounds import MOST_STUCK, Rounds
from airflow_dirops.triggers.telling import FIRST_WAIT, Telling
from airflow_dirops.triggers.watched import Watched
from tests.doors.airflow_runs import Runs
from tests.text_files import read_text, write

DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


def watched(root: Path, **fields: Any) -> Watched:
    """Daily folders with a marker."""
    return Watched(
        **{
            "directory": f"{root}/raw/{{partition}}",
            "partition_format": "%Y-%m-%d",
            "kind": "folder",
            "rules": {"marker": "_READY"},
            **fields,
        }
    )


def upload(folder: Path) -> None:
    write(folder, only=folder.name)
    (folder / "_READY").touch()


async def first_events(what: Watched, steps: list[Callable[[], Any]]) -> list[list[str]]:
    """The partitions of each event; a step is taken after each of them."""
    trigger = ArrivalsTrigger(watched=what.as_dict(), asset="seen", poll_interval=0.02)
    seen, todo = [], iter(steps)
    async for event in trigger.run():
        seen.append(event.payload["partitions"])
        if (step := next(todo, None)) is None:
            return seen
        step()
    return seen


def test_a_watcher_tells_what_is_ready_and_what_becomes_so(root: Path) -> None:
    raw = root / "raw"
    upload(raw / DAYS[0])
    write(raw / DAYS[1], only="not yet")
    events = asyncio.run(first_events(watched(root), [lambda: (raw / DAYS[1] / "_READY").touch()]))
    assert events == [DAYS[:1], DAYS[:2]]


def test_a_marker_that_is_made_anew_is_told_anew(root: Path) -> None:
    upload(root / "raw" / DAYS[0])
    anew = lambda: os.utime(root / "raw" / DAYS[0] / "_READY", (1, 1))  # noqa: E731
    assert asyncio.run(first_events(watched(root), [anew])) == [DAYS[:1], DAYS[:1]]


def test_without_a_marker_a_file_more_is_told_anew(root: Path) -> None:
    write(root / "raw" / DAYS[0], one="a", two="b")
    more = lambda: write(root / "raw" / DAYS[0], three="c")  # noqa: E731
    rules = {"min_files": 2}
    assert asyncio.run(first_events(watched(root, rules=rules), [more])) == [DAYS[:1], DAYS[:1]]


def test_a_watcher_passes_over_what_is_no_partition_and_goes_on_where_one_is_bad(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = root / "raw"
    upload(raw / DAYS[0])
    upload(raw / "2026-11-1")
    upload(raw / ".hidden")
    os.mkdir(bytes(raw) + b"/caf\xe9")
    os.mkfifo(raw / DAYS[1])
    (raw / DAYS[2]).symlink_to(raw / DAYS[2])
    (raw / "2026-11-04" / "_READY").mkdir(parents=True)
    (raw / "2026-11-05").write_text("a file")
    there = Watched(**watched(root).as_dict()).list_there()
    assert sorted(there) == [DAYS[0], DAYS[2], "2026-11-04"]
    assert asyncio.run(first_events(watched(root), [])) == [DAYS[:1]]
    assert "2026-11-04/_READY' is a directory" in caplog.text


def test_a_watcher_says_once_that_its_directory_is_gone_and_once_that_it_is_back(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw, away = root / "raw", root / "away"
    upload(raw / DAYS[0])

    async def watch() -> None:
        trigger = ArrivalsTrigger(watched=watched(root).as_dict(), asset="seen", poll_interval=0.01)
        watching = asyncio.create_task(_all_events(trigger))
        await asyncio.sleep(0.5)
        raw.rename(away)
        await asyncio.sleep(0.5)
        away.rename(raw)
        await asyncio.sleep(0.5)
        watching.cancel()

    asyncio.run(watch())
    said = [record.getMessage() for record in caplog.records if "raw" in record.getMessage()]
    assert [message.split("raw ")[1][:20] for message in said] == ["cannot be watched: [", "can be looked at aga"]


async def _all_events(trigger: ArrivalsTrigger) -> None:
    async for _ in trigger.run():
        pass


def test_nested_names_and_what_stands_around_them(root: Path) -> None:
    upload(root / "raw/cam 2026/11/01.d/in")
    upload(root / "raw/cam 2026/11/02/in")
    upload(root / "raw/2026/11/03.d/in")
    nested = watched(root, directory=f"{root}/raw/cam {{partition}}.d/in", partition_format="%Y/%m/%d")
    assert nested.list_there() == ["2026/11/01"]
    assert nested.state_of("2026/11/01")
    assert asyncio.run(first_events(nested, [])) == [["2026/11/01"]]


def test_two_watchers_of_the_same_folders_share_their_rounds(root: Path) -> None:
    def key(**fields: Any) -> Any:
        return ArrivalsTrigger(watched=watched(root, **fields).as_dict(), asset="seen").shared_stream_key()

    assert key() == key(rules={"marker": "_READY", "min_files": 3}) == key(since=DAYS[1])
    assert key() != key(rules={"marker": "_DONE"})


def test_airflow_goes_round_once_for_two_watchers_of_the_same_folders(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.triggers.shared_stream import SharedStreamManager

    write(root / "raw" / DAYS[0], one="a")
    upload(root / "raw" / DAYS[0])
    upload(root / "raw" / DAYS[1])
    listed = []
    list_there = Watched.list_there
    monkeypatch.setattr(Watched, "list_there", lambda self: listed.append(self.rules) or list_there(self))

    async def watch() -> list[list[str]]:
        manager = SharedStreamManager()

        async def first(number: int, rules: dict[str, Any]) -> list[str]:
            fields = watched(root, rules=rules).as_dict()
            trigger = ArrivalsTrigger(watched=fields, asset=f"seen {number}", poll_interval=30)
            stream = manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
            async for event in trigger.filter_shared_stream(stream):
                return list(event.payload["partitions"])
            return []

        try:
            return await asyncio.gather(first(1, {"marker": "_READY"}), first(2, {"marker": "_READY", "min_files": 2}))
        finally:
            await manager.stop_all()

    assert asyncio.run(watch()) == [DAYS[:2], DAYS[:1]]
    assert len(listed) == 1


def test_a_place_that_does_not_answer_is_said_once_and_costs_the_others_nothing(tmp_path: Path) -> None:
    stalled, fifo = [f"stalled_{number}" for number in range(MOST_STUCK)], tmp_path / "fifo"
    os.mkfifo(fifo)
    said: list[tuple[str, str]] = []

    def look(place: str) -> str:
        return fifo.read_text() if place in stalled else place  # blocks until somebody writes

    async def watch() -> None:
        rounds = Rounds(lambda place, what: said.append((place, what)), timeout=0.2)
        for _ in range(3):
            assert await rounds.over(["a", stalled[0], "b", *stalled[1:], "c"], look) == {x: x for x in "abc"}
        assert [place for place, _ in said] == stalled
        assert {what for _, what in said} == {
            "has not answered for 0.2 s; is its file system stalled? The others go on"
        }
        await asyncio.to_thread(fifo.write_text, "")  # whoever waits to read it comes back
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(said) == 2 * len(stalled):
                break
        assert sorted(said[len(stalled) :]) == sorted((place, "answers again") for place in stalled)

    asyncio.run(watch())


def test_what_no_relay_tells_is_mentioned_again_ever_more_seldom() -> None:
    telling = Telling()
    telling.sees({"a": "1"})
    telling.finds("a", is_ready=True)
    assert telling.due(0) == ["a"]
    times = [now for now in range(1, 500) if telling.due(now)]
    assert times == [FIRST_WAIT, 3 * FIRST_WAIT, 7 * FIRST_WAIT]
    telling.sees({"a": "1", "b": "1"})
    telling.finds("b", is_ready=True)
    assert telling.due(500) == ["a", "b"]
    telling.hears({"a": "1"})
    assert telling.due(501) == ["b"]  # a relay is at work, and has left this
    telling.hears({"b": "1"})
    telling.sees({"a": "1", "b": "2"})
    assert telling.unknown() == ["b"]
    telling.sees({})  # a mount that is away for a round
    telling.sees({"a": "1", "b": "1"})
    assert telling.asked() == ["b"]


def relay(root: Path, dag_id: str, *, dies: bool = False, notes: bool = True, **fields: Any) -> DAG:
    """A relay like that of ``arrivals``, which may die before Airflow takes it as a success, or before it notes it."""

    class Dying(TellArrivalsOperator):
        def execute(self, context: Any) -> Any:
            super().execute(context)
            raise RuntimeError("died")

    seen, told = Asset("seen", f"x-seen:{root}"), target_asset("raw/{partition}")
    tells = Dying if dies else TellArrivalsOperator
    with DAG("relay", schedule=None) as dag:
        tell = tells(task_id="tell", watched=watched(root, **fields).as_dict(), seen=seen, told=told)
        if notes:
            tell >> NoteToldOperator(task_id="note", seen=seen)
    return dag


def keys(run: Any) -> list[str | None]:
    return sorted(key for key, _ in run.events("tell"))


def test_a_relay_tells_each_partition_once(runs: Runs, root: Path) -> None:
    for day in DAYS[:2]:
        upload(root / "raw" / day)
    run = runs(relay(root, "once"))
    assert (keys(run), run.state("note")) == (DAYS[:2], "success")
    assert runs(relay(root, "once")).state("tell") == "skipped"
    upload(root / "raw" / DAYS[2])
    assert keys(runs(relay(root, "once"))) == DAYS[2:]
    os.utime(root / "raw" / DAYS[0] / "_READY", (1, 1))
    assert keys(runs(relay(root, "once"))) == DAYS[:1]


@pytest.mark.parametrize(
    ("made", "fields", "says"),
    [
        ([], {}, "there is no folder yet"),
        (DAYS, {"rules": {"marker": "READY"}}, "of 3 folders none has the marker 'READY'"),
        (DAYS, {"kind": "target", "rules": {}}, "of 3 folders none was committed by a stage"),
        (
            ["2026/11/01", "2026/11/02"],
            {},
            "no folder is named like '2026-11-26' ('%Y-%m-%d'), but there is 1 folder: '2026'; give partition_format=",
        ),
        (DAYS, {"partition_format": "%Y/%m/%d"}, "no folder is named like '2026/11/26' ('%Y/%m/%d'), but there are 3"),
        (DAYS, {"since": "2026-12-01"}, "all 3 that may be ready are before since='2026-12-01'"),
        (
            DAYS,
            {"rules": {"expected": ["left.png"]}},
            "'2026-11-01' is not: of 1 expected files 1 are not there: 'left.png', and 2 more are not ready",
        ),
    ],
)
def test_a_relay_and_its_watcher_say_why_nothing_is_ready(
    runs: Runs,
    root: Path,
    made: list[str],
    fields: dict[str, Any],
    says: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (root / "raw").mkdir()
    for day in made:
        upload(root / "raw" / day)
    run = runs(relay(root, "none", **fields))
    assert run.state("tell") == "skipped"
    assert f"{{partition}}: {says}" in capsys.readouterr().out
    caplog.clear()
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(first_events(watched(root, **fields), []), 0.3))
    may_be_wrong = bool(made) and "folder" in says
    assert caplog.text.count(f"can be ready: {says}") == may_be_wrong


@pytest.mark.timeout(60)
def test_a_watcher_ends_whenever_it_is_cancelled(root: Path) -> None:
    (root / "raw").mkdir()

    async def cancelled(after: float) -> bool:
        watching = asyncio.ensure_future(first_events(watched(root), []))
        await asyncio.sleep(after)
        watching.cancel()
        done, _ = await asyncio.wait({watching}, timeout=5)
        return bool(done)

    assert all(asyncio.run(cancelled(moment / 1000)) for moment in range(60))


def test_a_relay_leaves_to_the_next_run_what_one_request_cannot_carry(runs: Runs, root: Path) -> None:
    days = [f"2026-{month:02}-{day:02}" for month in (9, 10) for day in range(1, 29)]
    for day in days:
        upload(root / "raw" / day)
    first = runs(relay(root, "many"))
    assert (first.output("tell")["count"], first.output("tell")["left"]) == (MOST_AT_ONCE, len(days) - MOST_AT_ONCE)
    assert keys(first) + keys(runs(relay(root, "many"))) == days


def test_what_a_relay_was_about_to_tell_when_it_died_is_told_by_the_next_one(runs: Runs, root: Path) -> None:
    upload(root / "raw" / DAYS[0])
    died = runs(relay(root, "dies", dies=True))
    assert (died.state("tell"), keys(died)) == ("failed", [])
    assert keys(runs(relay(root, "dies"))) == DAYS[:1]
    assert runs(relay(root, "dies")).state("tell") == "skipped"


def test_what_a_relay_told_before_it_could_note_it_is_not_told_again(runs: Runs, root: Path) -> None:
    upload(root / "raw" / DAYS[0])
    assert keys(runs(relay(root, "unnoted", notes=False))) == DAYS[:1]
    again = runs(relay(root, "unnoted", notes=False))
    assert (again.state("tell"), keys(again)) == ("skipped", [])


def test_commits_of_a_script_are_told_but_no_trials_and_none_that_are_too_small(runs: Runs, root: Path) -> None:
    write(root / "source", one="a", two="b")
    for day, limit in zip(DAYS[:2], (None, 1), strict=True):
        read_directory(source=root / "source", target=root / "made" / day, read=read_text, codec="text", limit=limit)
    write(root / "made" / DAYS[2], bare="no stage wrote this")
    made = watched(root, directory=f"{root}/made/{{partition}}", kind="target", rules={"min_files": 2})
    assert asyncio.run(first_events(made, [])) == [DAYS[:1]]


def test_one_line_makes_an_asset_and_the_dag_that_tells_it(root: Path, runs: Runs) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    path = root / "one_line.py"
    path.write_text(
        "from airflow_dirops import arrivals, commits\n"
        "UP = arrivals('raw/up/{partition}', marker='_READY', since='2026-11-01')\n"
        "MADE = commits('made/{partition}', min_files=1, sweep=None, dag_id='mine')\n"
    )
    bag = BundleDagBag(path, bundle_path=root, bundle_name="dags-folder")
    assert not bag.import_errors
    assert sorted(bag.dags) == ["mine", "relay_raw_up_partition"]
    assert {dag.relative_fileloc for dag in bag.dags.values()} == {"one_line.py"}
    tell = bag.dags["relay_raw_up_partition"].get_task("tell")
    assert tell.outlets == [target_asset("raw/up/{partition}")]
    assert tell.watched["directory"] == f"{root}/raw/up/{{partition}}"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"directory": "raw", "marker": "_READY"}, "no {partition} in it"),
        ({}, "nothing says when the directory is complete"),
        ({"marker": "../_READY"}, "leads out of the directory"),
        ({"marker": "_READY", "expected": "one"}, "is a text, not a list"),
        ({"marker": "_READY", "since": "November"}, "since is 'November'"),
        ({"marker": "_READY", "since": "a", "partition_format": None}, "needs a partition_format"),
        ({"marker": "_READY", "partition_format": "%d"}, "cannot name partitions"),
        *(
            ({"marker": "_READY", "poll_interval": none}, "give seconds above 0")
            for none in (0, -1, math.inf, math.nan, "5", True, None)
        ),
        *(
            ({"marker": "_READY", "sweep": never}, f"sweep={never!r} cannot say when to run")
            for never in ("every day", "", "@once", "0 0 30 2 *", 7)
        ),
        ({"marker": "_READY", "partition_format": "schedule"}, "Write the format itself, such as '%Y-%m-%d'"),
        ({"marker": "{site}.done"}, "marker='{site}.done' has something in it that nothing fills in"),
        ({"marker": "{{ ds }}.done"}, "nothing fills in"),
        ({"expected": ["a", "{site}/b"]}, "expected='{site}/b' has something in it"),
        ({"marker": "_READY", "pattern": "{site}_*"}, "pattern='{site}_*' has something in it"),
        ({"directory": "raw/{{ ds }}/{partition}", "marker": "_READY"}, "directory='raw/{{ ds }}/{partition}'"),
    ],
)
def test_what_could_never_be_told_is_refused(root: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentRefused) as refused:
        arrivals(**{"directory": "raw/{partition}", **given})
    assert says in str(refused.value)


@pytest.mark.parametrize("maker", [arrivals, commits, target_asset])
def test_an_asset_is_of_one_site_and_the_advice_works(root: Path, maker: Any) -> None:
    rules = {"marker": "_READY"} if maker is arrivals else {}
    with pytest.raises(ArgumentRefused, match=r"'raw/\{site\}/\{partition\}' has \{site\} in it") as refused:
        maker("raw/{site}/{partition}", **rules)
    (advice,) = re.findall(r"as in (\[.*\])", str(refused.value))
    made = eval(advice, {maker.__name__: lambda path: maker(path, **rules)})
    assert [asset.name for asset in made] == ["raw/berlin/{partition}", "raw/hamburg/{partition}"]
    with pytest.raises(ArgumentRefused, match="stage="):
        commits("made/{partition}", stage="{{ ds }}")


def test_the_pattern_of_arrivals_may_have_the_partition_in_it(root: Path) -> None:
    for day in DAYS[:2]:
        write(root / "raw" / day, **{f"{DAYS[0]}_x": "a"})
    named = watched(root, rules={"pattern": "{partition}_*", "min_files": 1})
    assert asyncio.run(first_events(named, [])) == [DAYS[:1]]


def test_conditions_of_commits_that_can_never_be_fulfilled_are_refused(root: Path) -> None:
    with pytest.raises(ArgumentRefused, match="min_files=-1 is no count"):
        commits("made/{partition}", min_files=-1)
