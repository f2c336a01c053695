"""What each partition of each stage is, told from the headers alone, on real targets."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_dirops.core import (
    Partitions,
    PartitionStatus,
    Status,
    errors,
    read_directory,
    rollback,
    status,
    to_plain,
    transform_directory,
)
from airflow_dirops.core.format.code import Code
from tests.text_files import read_text, write

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def refuse_bad(path: str) -> str:
    text = read_text(path)
    if text == "bad":
        raise ValueError("it is bad")
    return text


def read(root: Path, day: str, function: Callable[..., Any] = read_text, **options: Any) -> None:
    read_directory(
        **{"stage": "read", "codec": "text", "partition": day, **options},
        source=root / "raw" / day,
        target=root / "interim" / day,
        read=function,
    )


def raise_up(root: Path, day: str, **options: Any) -> None:
    transform_directory(
        source=root / "interim" / day,
        target=root / "final" / day,
        transform=str.upper,
        codec="text",
        stage="upper",
        partition=day,
        **options,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three days of two stages, all of them whole."""
    root = tmp_path / "data"
    for day in DAYS:
        write(root / "raw" / day, a=day, b="b")
        os.utime(root / "raw" / day, (0, 0))
        read(root, day)
        raise_up(root, day)
    return root


def states(found: Status) -> dict[str, dict[str, str]]:
    """By stage and partition."""
    return {stage.stage: {str(one.partition): one.state for one in stage.partitions} for stage in found.stages}


def one(found: Status, stage: str, day: str | None) -> PartitionStatus:
    (it,) = (each for row in found.stages if row.stage == stage for each in row.partitions if each.partition == day)
    return it


def test_whole_days_cost_nothing(data: Path) -> None:
    found = status(data)
    assert states(found) == {"read": dict.fromkeys(DAYS, "whole"), "upper": dict.fromkeys(DAYS, "whole")}
    assert (found.is_whole, found.cost, found.troubles) == (True, None, ())
    assert found.stages[0].target == f"{data}/interim/{{partition}}"
    assert found.stages[0].reads == (f"{data}/raw/{{partition}}",)
    assert found.stages[1].reads == ("read",)


def test_a_day_is_absent_where_its_raw_folder_is_there_or_the_stage_before_has_it(data: Path) -> None:
    write(data / "raw/2026-11-04", a="a")
    (data / "raw/uploading").mkdir()
    shutil.rmtree(data / "final" / DAYS[1])
    found = status(data)
    assert found.counts == {"absent": 2, "whole": 5}
    assert one(found, "read", "2026-11-04").target == f"{data}/interim/2026-11-04"
    assert one(found, "upper", DAYS[1]).cost is not None
    assert not found.is_whole


def test_a_day_with_nothing_to_publish_is_no_absent_one(data: Path) -> None:
    (data / "raw/2026-11-04").mkdir()
    assert one(status(data), "read", "2026-11-04").state == "absent"
    read(data, "2026-11-04", empty="skip")
    assert status(data).is_whole
    write(data / "raw/2026-11-05", a="a")
    assert status(data).counts["absent"] == 1


def test_a_day_is_absent_where_somebody_expects_it(data: Path) -> None:
    asked: list[tuple[str, list[str]]] = []

    def expected(stage: str, names: Any) -> list[str] | None:
        asked.append((stage, [*names]))
        return ["2026-11-02", "2026-11-09"] if stage == "read" else None

    found = status(data, expected=expected)
    assert asked == [("read", [*DAYS]), ("upper", [*DAYS])]
    assert states(found)["read"] == {**dict.fromkeys(DAYS, "whole"), "2026-11-09": "absent"}
    assert one(found, "read", "2026-11-09").detail == f"there is no {data}/raw/2026-11-09 to make it from"
    found = status(data, expected=expected, only_expected=True)
    assert states(found) == {
        "read": {"2026-11-02": "whole", "2026-11-09": "absent"},
        "upper": dict.fromkeys(DAYS, "whole"),
    }


def test_what_other_files_were_read_for_is_stale_and_so_is_what_was_made_of_it(data: Path) -> None:
    write(data / "raw" / DAYS[0], c="late")
    found = status(data)
    assert [reason.kind for reason in one(found, "read", DAYS[0]).reasons] == ["source"]
    assert [reason.kind for reason in one(found, "upper", DAYS[0]).reasons] == ["upstream"]
    read(data, DAYS[0])
    found = status(data)
    assert one(found, "read", DAYS[0]).state == "whole"
    assert [reason.kind for reason in one(found, "upper", DAYS[0]).reasons] == ["source"]
    raise_up(data, DAYS[0])
    assert status(data).is_whole


def test_a_snapshot_with_the_same_files_makes_nothing_stale(data: Path) -> None:
    first = status(data).stages[0].partitions[0].snapshot
    read(data, DAYS[0], redo="all")
    assert status(data).is_whole
    write(data / "raw" / DAYS[0], c="late")
    os.utime(data / "raw" / DAYS[0], (0, 0))
    read(data, DAYS[0])
    assert one(status(data), "upper", DAYS[0]).state == "stale"
    rollback(data / "interim" / DAYS[0], first)
    assert one(status(data), "upper", DAYS[0]).state == "whole"


def test_older_code_is_told_and_what_of_it_has_changed(data: Path) -> None:
    read(data, DAYS[2], version="2", redo="all")
    found = status(data)
    assert [one(found, "read", day).state for day in DAYS] == ["stale", "stale", "whole"]
    (reason,) = one(found, "read", DAYS[0]).reasons
    assert reason.kind == "code"
    assert one(found, "read", DAYS[0]).cost is not None
    found = status(data, code={"upper": Code("sha256:other")})
    assert {each.state for each in found.stages[1].partitions} == {"stale"}


def test_trials_and_quarantines(data: Path) -> None:
    write(data / "raw/2026-11-04", a="a", b="bad")
    os.utime(data / "raw/2026-11-04", (0, 0))
    read(data, "2026-11-04", limit=1)
    found = one(status(data), "read", "2026-11-04")
    assert (found.state, found.limit, found.detail) == ("trial", 1, "a trial run over the first 1 inputs")
    read(data, "2026-11-04", refuse_bad, on_error="quarantine", max_failures="50%", version="1")
    found = one(status(data), "read", "2026-11-04")
    assert (found.state, found.quarantined, found.detail) == ("quarantined", 1, "1 of 2 inputs failed")
    assert found.cost is not None
    assert found.cost.files == 1


def test_damaged_and_newer_headers(data: Path) -> None:
    (data / "interim" / DAYS[0] / "_dirops/manifest.json").write_text("{")
    header = data / "interim" / DAYS[1] / "_dirops/manifest.json"
    header.write_bytes(msgspec.json.encode({**json.loads(header.read_bytes()), "format": "dirops/9"}))
    found = status(data)
    assert [one(found, "read", day).state for day in DAYS] == ["damaged", "unreadable", "whole"]
    assert "upgrade airflow-dirops" in one(found, "read", DAYS[1]).detail
    assert [one(found, "upper", day).state for day in DAYS] == ["stale", "whole", "whole"]


def test_a_day_that_failed_is_absent_and_says_why(data: Path) -> None:
    write(data / "raw/2026-11-04", a="bad")
    with pytest.raises(errors.InputError):
        read(data, "2026-11-04", refuse_bad)
    found = one(status(data), "read", "2026-11-04")
    assert found.state == "absent"
    assert "the last try committed nothing: 1 input failed, 'a.txt' (ValueError)" in found.detail


def test_a_target_that_two_stages_claim(data: Path) -> None:
    write(data / "raw/2026-11-04", a="a")
    os.utime(data / "raw/2026-11-04", (0, 0))
    read(data, "2026-11-04", stage="renamed")
    found = status(data)
    (trouble,) = found.troubles
    assert (trouble.kind, trouble.path) == ("two-stages", f"{data}/interim/{{partition}}")
    assert "absent" not in states(found)["read"].values()


def test_a_clock_that_was_wrong(data: Path) -> None:
    header = data / "interim" / DAYS[0] / "_dirops/manifest.json"
    header.write_bytes(
        msgspec.json.encode({**json.loads(header.read_bytes()), "created": "2999-01-01T00:00:00.000+00:00"})
    )
    (trouble,) = status(data).troubles
    assert (trouble.kind, trouble.path) == ("clock", f"{data}/interim/{DAYS[0]}")


def test_a_roll_up_is_stale_where_one_of_its_days_is_new_or_came_later(data: Path) -> None:
    def roll_up() -> None:
        days = Partitions(data / "final/{partition}", (*DAYS, "2026-11-04"), missing="allow")
        transform_directory(
            source=days,
            target=data / "weeks/2026-W45",
            aggregate=lambda records: str(len([*records])),
            codec="text",
            stage="weekly",
            partition="2026-W45",
        )

    roll_up()
    assert states(status(data))["weekly"] == {"2026-W45": "whole"}
    write(data / "raw/2026-11-04", a="a")
    os.utime(data / "raw/2026-11-04", (0, 0))
    read(data, "2026-11-04")
    raise_up(data, "2026-11-04")
    found = one(status(data), "weekly", "2026-W45")
    assert found.reasons[0].text == f"of {data}/final/{{partition}}, 1 are there now, and were missing: 2026-11-04"
    roll_up()
    assert status(data).is_whole


def test_sites_are_rows_of_their_own(tmp_path: Path) -> None:
    for site in ("berlin", "oslo"):
        write(tmp_path / "raw" / site / DAYS[0], a="a")
        read_directory(
            source=tmp_path / "raw" / site / DAYS[0],
            target=tmp_path / "interim" / site / DAYS[0],
            read=read_text,
            codec="text",
            stage="read",
            partition=DAYS[0],
            dimensions={"site": site},
        )
    found = status(tmp_path)
    assert [stage.dimensions for stage in found.stages] == [{"site": "berlin"}, {"site": "oslo"}]


def test_two_roots_that_overlap_are_read_once_and_nothing_is_an_empty_table(data: Path, tmp_path: Path) -> None:
    assert status([data / "interim", data]).counts == status([data, data / "final"]).counts == {"whole": 6}
    # What lies elsewhere is looked up there.
    assert states(status(data / "final")) == {"upper": dict.fromkeys(DAYS, "whole")}
    (tmp_path / "empty").mkdir()
    found = status(tmp_path / "empty")
    assert (found.stages, found.counts, found.is_whole) == ((), {}, False)


def test_it_is_plain_and_names_that_are_no_text_can_be_shown(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write(tmp_path / "raw", a="a")
    read_directory(source=tmp_path / "raw", target=tmp_path / name / "t", read=read_text, codec="text", stage="s")
    plain = json.loads(json.dumps(to_plain(status(tmp_path))))
    assert plain["stages"][0]["partitions"][0]["target"] == f"{tmp_path}/caf\\xe9/t"
    assert plain["counts"] == {"whole": 1}


def test_what_goes_away_while_it_is_looked_at_is_told_and_the_rest_goes_on(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_dirops.core.insight import headers

    found_first = headers.iter_targets

    def iter_and_remove(folder: str) -> Any:
        for each in found_first(folder):
            if each is not None and each.path.endswith(DAYS[1]):
                shutil.rmtree(each.path)
            yield each

    monkeypatch.setattr(headers, "iter_targets", iter_and_remove)
    assert status(data).counts == {"absent": 2, "whole": 4}
