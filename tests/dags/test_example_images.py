"""The DAG ``example_images``: its functions on images in memory, and the DAG as a whole."""

# [START functions]
import numpy as np

from airflow_dirops.testing.golden import assert_same_snapshot
from dags.example_images import read_image, red_channel

IMAGE = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def test_images_are_read_and_notes_are_not(stages):
    made = stages.read({"a.png": IMAGE, "notes.txt": "by hand"}, read_image)
    assert_same_snapshot(made, {"a": IMAGE})
    assert made.skipped == ["notes.txt"]


def test_a_bad_image_is_set_aside(stages):
    made = stages.read({"a.png": IMAGE, "bad.png": b"no image"}, read_image, on_error="quarantine")
    assert list(made.values) == ["a"]
    assert made.quarantined["bad.png"].error == "OSError"


def test_a_rerun_reads_what_is_new_or_changed(stages):
    stages.read({"a.png": IMAGE, "b.png": IMAGE}, read_image)
    again = stages.read({"a.png": IMAGE, "b.png": IMAGE + 1, "c.png": IMAGE}, read_image)
    assert again.plan == {"a.png": "carried", "b.png": "changed", "c.png": "new"}
    assert again.outcome.counts["computed"] == 2


def test_the_red_channel(stages):
    made = stages.transform({"a": IMAGE}, red_channel)
    assert_same_snapshot(made, {"a": IMAGE[:, :, 0]})


# [END functions]


# [START dag]
def test_a_day_of_images(dags):
    dags.write("raw/images/2026-11-01", {"a.png": IMAGE, "b.png": IMAGE + 1})
    run = dags.run("dags/example_images.py", partition="2026-11-01")
    assert run.states == {"to_numpy": "success", "red_channel": "success"}
    assert_same_snapshot(run.stage("red_channel"), {"a": IMAGE[:, :, 0], "b": IMAGE[:, :, 0] + 1})


def test_a_day_with_too_many_bad_images(dags):
    dags.write("raw/images/2026-11-01", {"a.png": IMAGE, "bad.png": b"no image"})
    run = dags.run("dags/example_images.py", partition="2026-11-01")
    assert run.states == {"to_numpy": "failed", "red_channel": "upstream_failed"}
    assert "max_failures='5%'" in str(run.errors["to_numpy"])


# [END dag]


def test_a_dag_goes_on_where_the_first_one_is(dags):
    images = {f"{number:02}.png": IMAGE + number for number in range(10)}
    dags.write("raw/images/2026-11-01", images)
    for path in ("dags/example_images.py", "dags/example_previews.py"):
        assert set(dags.run(path, partition="2026-11-01").states.values()) == {"success"}
    previews = dags.root / "final/preview/2026-11-01"
    assert_same_snapshot(previews, {name.removesuffix(".png"): image[::4, ::4] for name, image in images.items()})


def test_a_stage_in_shards_makes_what_the_stage_alone_makes(dags):
    dags.write("raw/images/2026-11-01", {f"{number:02}.png": IMAGE + number for number in range(10)})
    for path in ("dags/example_images.py", "dags/example_shards.py"):
        run = dags.run(path, partition="2026-11-01")
    assert run.stage("red_channel").outcome.counts["entries"] == 10
    alone, together = (dags.root / f"final/{name}/2026-11-01" for name in ("red_channel", "in_shards"))
    assert_same_snapshot(together, alone)
