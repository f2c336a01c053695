"""Stages on what a test has in memory, as authors of DAGs use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from airflow_dirops.core import errors
from airflow_dirops.testing.golden import assert_same_snapshot
from airflow_dirops.testing.stages import Stages

RED = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def read_image(path: str) -> Any:
    if path.endswith(".png"):
        with Image.open(path) as image:
            return path, np.asarray(image)
    return None


def red_channel(image: Any) -> Any:
    return image[:, :, 0]


def test_files_in_memory_are_read_set_aside_and_passed_over(stages: Stages) -> None:
    inputs = {"a.png": RED, "day/b.png": RED[::-1], "bad.png": b"no image", "notes.txt": "by hand"}
    made = stages.read(inputs, read_image, on_error="quarantine")
    assert made.plan == dict.fromkeys(("a.png", "day/b.png", "bad.png", "notes.txt"), "new")
    assert made.outcome.counts["computed"] == 4 - 1
    assert made.skipped == ["notes.txt"]
    assert made.quarantined.keys() == {"bad.png"}
    assert "cannot identify image" in made.quarantined["bad.png"].message
    assert_same_snapshot(made, {"a": RED, "day/b": RED[::-1]})


def test_a_rerun_does_what_is_new_and_says_so(stages: Stages) -> None:
    first = stages.read({"a.png": RED, "b.png": RED, "c.png": RED}, read_image)
    again = stages.read({"a.png": RED, "b.png": RED[::-1], "d.png": RED}, read_image)
    assert again.plan == {"a.png": "carried", "b.png": "changed", "c.png": "removed", "d.png": "new"}
    assert again.outcome.counts["computed"] == 2
    assert sorted(first.values) == ["a", "b", "c"]  # each run has its own snapshot
    assert sorted(again.values) == ["a", "b", "d"]


def test_a_transform_gets_values_and_the_next_stage_what_it_made(stages: Stages) -> None:
    red = stages.transform({"a": RED, "b": RED + 1}, red_channel, target="red")
    means = stages.transform(red, lambda image: float(image.mean()), target="mean", codec="json")
    assert means.values == {"a": 10.0, "b": 11.0}
    assert stages.transform({"a": RED, "b": RED + 1}, red_channel, target="red").outcome.outcome == "unchanged"


def test_an_aggregate_and_a_join(stages: Stages) -> None:
    total = stages.transform(
        {"a": 1, "b": 2}, aggregate=lambda records: sum(each.value for each in records), codec="json"
    )
    assert [*total.values.values()] == [3]
    both = stages.transform(
        [{"a": "x", "b": "y"}, {"a": {"times": 3}}],
        lambda text, how: text * how["times"],
        join="inner",
        target="joined",
        codec="text",
    )
    assert both.values == {"a": "xxx"}


@pytest.mark.parametrize(
    ("values", "codec"),
    [
        ({"a": "text"}, "text"),
        ({"a": b"bytes"}, "bytes"),
        ({"a": {"x": [1, None]}}, "json"),
        ({"a": {"x": np.arange(2)}}, "npz"),
        ({"a": RED}, "npy"),
        ({"a": (1, {2})}, "pickle"),
        ({}, "npy"),
    ],
)
def test_values_are_given_by_the_codec_made_for_them(stages: Stages, values: Any, codec: str) -> None:
    seen: list[Any] = []
    empty: Any = "fail" if values else "commit"
    stages.transform(values, lambda value: seen.append(value), stage="look", empty="commit" if values else empty)
    assert len(seen) == len(values)
    assert stages.folder.joinpath("sources/target/0/source/_dirops/manifest.json").read_text().count(f'"{codec}"')


def test_a_stage_that_fails_raises_what_it_raises_in_a_task(stages: Stages) -> None:
    with pytest.raises(errors.RecordFailed, match=r"bad\.png"):
        stages.read({"bad.png": b"no image"}, read_image)
    with pytest.raises(errors.SourceEmpty):
        stages.read({}, read_image, target="other")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"../x.png": b""}, r"'\.\./x\.png': "),
        ({"": b""}, "it is empty"),
        ({"a\0.png": b""}, "NUL"),
        ({"/etc/x": b""}, "absolute"),
        ({"a.xyz": RED}, "give its bytes, or a name that ends with one of .npy"),
        ({"a.json": object()}, "cannot write a value of type object"),
        ({"a": b"", "a/b.png": b""}, "it lies in 'a', which is a file"),
        ([b"a"], "no mapping of names"),
    ],
)
def test_inputs_that_cannot_be_files_are_refused(stages: Stages, inputs: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match=message):
        stages.read(inputs, read_image)
    assert not list(stages.folder.rglob("*.png"))


@pytest.mark.parametrize("target", ["", "../x", "/tmp/x"])
def test_a_target_that_leads_out_is_refused(stages: Stages, target: str) -> None:
    with pytest.raises(errors.ArgumentRefused, match="cannot name the result"):
        stages.read({"a.png": RED}, read_image, target=target)


def test_values_of_several_kinds_are_refused(stages: Stages) -> None:
    with pytest.raises(errors.ArgumentRefused, match="several codecs"):
        stages.transform({"a": "text", "b": RED}, len)
    made = stages.transform({"a": "text", "b": RED}, len, source_codec="pickle", codec="json")
    assert made.values == {"a": 4, "b": 2}
