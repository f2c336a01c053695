"""What of the code has changed is told: in the plan, the log, a dry run and the outcome; and no more than may be."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import Outcome, errors, iter_plan, read_directory, read_manifest, transform_directory, upkeep
from airflow_dirops.core.format.code import MAX_PARTS, part_value
from airflow_dirops.core.messages.shown import masked_by
from tests.core.directories import control_of, header_of, write_texts
from tests.core.fingerprint.test_fingerprint import load

IMAGES = """
import enum
THRESHOLD = 3
SIZES = [1, 2]
PASSWORD = 1234
BORDER = 7
GREETING = "hello"

class Mode(enum.Enum):
    RED = 1

class Cropper:
    border = 2
    def crop(self, text):
        return text[self.border:]

def scale(text, gain=1):
    return text * gain * THRESHOLD

def read(path, *, params=None):
    with open(path) as file:
        return scale(Cropper().crop(file.read())), SIZES, PASSWORD, GREETING, Mode.RED

def read_text(path):
    return str(read(path))
"""


class Stage:
    """A stage whose code is edited between its runs.

    :param folder: where code, source and target lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = folder / "target"
        self.options: dict[str, Any] = {
            "source": write_texts(folder / "in", a="alpha", b="beta"),
            "target": self.target,
        }
        self.options |= {"stage": "copy", "codec": "text"}
        self._edits = 0
        self.run()

    def code(self, *edit: str, source: str = IMAGES, name: str = "read_text") -> Callable[..., Any]:
        if edit:
            old, new = edit
            assert old in source
            source = source.replace(old, new)
        self._edits += 1
        return getattr(load(self.folder / f"code{self._edits}", source), name)

    def run(self, *edit: str, **options: Any) -> Outcome:
        return read_directory(**{"read": self.code(*edit), **self.options, **options})

    def changes(self, *edit: str, **options: Any) -> list[str] | None:
        plan = iter_plan(**{"read": self.code(*edit), **self.options, **options})
        assert next(plan).reason in ("code", "carried")
        plan.close()
        return None if plan.code_changes is None else [str(change) for change in plan.code_changes]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("scale(Crop", "scale(2, Crop"), ["`read` in my_dag.py"]),
        (("text * gain", "text + gain"), ["`scale` in my_dag.py"]),
        (("THRESHOLD = 3", "THRESHOLD = 4"), ["`THRESHOLD` 3 -> 4"]),
        (("THRESHOLD = 3", "THRESHOLD = -0.5"), ["`THRESHOLD` 3 -> -0.5"]),
        (("THRESHOLD = 3", "THRESHOLD = None"), ["`THRESHOLD` 3 -> None"]),
        (("THRESHOLD = 3", "THRESHOLD = 'x'"), ["`THRESHOLD` in my_dag.py"]),
        (("THRESHOLD = 3", "THRESHOLD = 10**5000"), ["`THRESHOLD` in my_dag.py"]),
        (("[1, 2]", "[1, 3]"), ["`SIZES` in my_dag.py"]),
        (("1234", "1235"), ["`PASSWORD` in my_dag.py"]),
        (('"hello"', '"bye"'), ["`GREETING` in my_dag.py"]),
        (("RED = 1", "RED = 2"), ["`Mode.RED` 1 -> 2"]),
        (("border = 2", "border = 5"), ["`Cropper.border` 2 -> 5"]),
        (("gain=1", "gain=2"), ["`scale(gain)` 1 -> 2"]),
        (("text[self.border:]", "text"), ["`Cropper.crop` in my_dag.py"]),
        (("Mode(enum.Enum)", "Mode(enum.IntEnum)"), ["`Mode` in my_dag.py"]),
        (("THRESHOLD", "LIMIT"), ["`scale` in my_dag.py"]),
        (("* THRESHOLD", "* 3"), ["`scale` in my_dag.py", "`THRESHOLD` in my_dag.py (gone)"]),
        (("Mode.RED\n", "Mode.RED, BORDER\n"), ["`read` in my_dag.py", "`BORDER` in my_dag.py (new)"]),
        (("def read(path,", "def read(file,"), ["`read` in my_dag.py"]),
        (("def read_text(path):\n    return str(read(path))", "def read_text(p):\n    return str(read(p))"), None),
    ],
)
def test_each_kind_of_code(stage: Stage, edit: tuple[str, str], told: list[str] | None) -> None:
    assert stage.changes(*edit) == told


def test_several_and_no_more_than_a_few(stage: Stage) -> None:
    constants = "".join(f"N{number:02} = {{}}\n" for number in range(30))
    names = ", ".join(f"N{number:02}" for number in range(30))
    source = f"{constants}def read_text(path):\n    return str([{names}])\n"
    stage.run(read=stage.code(source=source.format(*range(30))))
    outcome = stage.run(read=stage.code(source=source.format(*range(1, 31))))
    assert len(outcome.code_changes) == 11
    assert outcome.code_changes[:2] == ["`N00` 0 -> 1", "`N01` 1 -> 2"]
    assert outcome.code_changes[-1] == "and 20 more"


def test_versions_of_packages(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    site = stage.folder / "site"
    monkeypatch.syspath_prepend(site)

    def reading(version: str) -> Callable[..., Any]:
        (site / "lib_installed").mkdir(parents=True, exist_ok=True)
        (site / "lib_installed/__init__.py").write_text("def scale(x): return x")
        metadata = site / "other_name-1.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other-name\nVersion: {version}\n")
        (metadata / "RECORD").write_text("lib_installed/__init__.py,,\n")
        importlib.invalidate_caches()
        source = "import lib_installed\ndef read_text(path): return lib_installed.scale(path)"
        return stage.code(source=source)

    stage.run(read=reading("0.26.0"))
    assert stage.changes(read=reading("0.27.0rc1")) == ["other-name 0.26.0 -> 0.27.0rc1"]
    assert stage.changes(read=reading("0.26.0")) is None


def test_version_of_python(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "version_info", (3, 10, 0, "final", 0))
        stage.run()
    assert stage.changes() == ["Python 3.10 -> {}.{}".format(*sys.version_info)]


def test_codec_params_and_version(stage: Stage) -> None:
    takes_params = stage.code(source="def read_text(path, *, params): return str(params)")
    with_params: dict[str, Any] = {"read": takes_params, "params": {"by": 1, "mode": "mean", "api_key": 5}}
    stage.run(**with_params)
    assert stage.changes(**with_params | {"codec": "json"}) == ["codec text -> json"]
    changed = {"by": 2, "mode": "median", "api_key": 6, "unit": 1}
    assert stage.changes(**with_params | {"params": changed}) == [
        "params['api_key']", "params['by'] 1 -> 2", "params['mode']", "params['unit'] 1 (new)",
    ]  # fmt: skip
    assert stage.changes(**with_params, version="1") == ["version 1 (new)"]
    stage.run(**with_params, version="1")
    assert stage.changes(**with_params, version="2") == ["version 1 -> 2"]


def test_is_told_by_plan_dry_run_log_and_outcome(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    edit = ("THRESHOLD = 3", "THRESHOLD = 4")
    told = "2 code: `THRESHOLD` 3 -> 4"
    for options, outcome in (({"dry_run": True}, "planned"), ({}, "committed")):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            done = stage.run(*edit, **options)
        assert (done.outcome, done.code_changes) == (outcome, ["`THRESHOLD` 3 -> 4"])
        assert told in caplog.text
        assert json.loads(json.dumps(done.to_dict()))["code_changes"] == ["`THRESHOLD` 3 -> 4"]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert stage.run(*edit).code_changes == []
    assert "code" not in caplog.text


def test_nothing_is_told_where_nothing_runs_for_it(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for options in ({"redo": "all"}, {"accept_code_change": True}):
        with caplog.at_level(logging.INFO):
            assert stage.run("1, 2", "1, 3", **options).code_changes == []
            assert stage.run(**options).code_changes == []
    assert " code: " not in caplog.text


def test_of_an_aggregate(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"source": stage.target, "target": tmp_path / "all", "codec": "text"}
    source = "LIMIT = 1\ndef count(records): return str(len([*records]) + LIMIT)"
    transform_directory(**options, aggregate=stage.code(source=source, name="count"))
    changed = stage.code("LIMIT = 1", "LIMIT = 2", source=source, name="count")
    with caplog.at_level(logging.INFO):
        outcome = transform_directory(**options, aggregate=changed)
    assert outcome.code_changes == ["`LIMIT` 1 -> 2"]
    # Its results cannot be kept, so nothing says how.
    assert caplog.messages.count("2 code: `LIMIT` 1 -> 2") == 1


def test_the_advice_works(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    edit = ("text * gain", "gain * text")
    with caplog.at_level(logging.INFO):
        assert stage.run(*edit, dry_run=True).counts["code"] == 2
    assert (
        "once: tick 'Accept a code change' in the trigger form, or call it with accept_code_change=True" in caplog.text
    )
    accepted = stage.run(*edit, accept_code_change=True)
    assert (accepted.outcome, accepted.counts["computed"], accepted.counts["carried"]) == ("committed", 0, 2)
    assert stage.run(*edit).outcome == "unchanged"


@pytest.mark.parametrize("has_parts", [True, False])
def test_nothing_is_advised_that_would_be_refused(
    stage: Stage, caplog: pytest.LogCaptureFixture, has_parts: bool
) -> None:
    if not has_parts:
        rewrite(stage.target, lambda function: function.pop("parts"))
    with caplog.at_level(logging.INFO):
        outcome = stage.run(codec="json", dry_run=True)
        assert stage.run(codec="json").counts["computed"] == 2
    assert outcome.code_changes == (["codec text -> json"] if has_parts else [])
    assert "2 code" in caplog.text
    assert "accept_code_change" not in caplog.text


def test_a_rollback_brings_its_code_back(stage: Stage) -> None:
    stage.run("THRESHOLD = 3", "THRESHOLD = 4")
    upkeep.rollback(stage.target)
    assert stage.changes() is None
    assert stage.changes("THRESHOLD = 3", "THRESHOLD = 5") == ["`THRESHOLD` 3 -> 5"]


def rewrite(target: Path, change: Callable[[dict[str, Any]], None]) -> None:
    header = header_of(target)
    change(header["function"])
    path = target / "_dirops/manifest.json"
    path.unlink()
    path.write_text(json.dumps(header))


def test_a_manifest_without_parts_gives_just_code(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    rewrite(stage.target, lambda function: function.pop("parts"))
    assert stage.changes() is None
    assert stage.changes("THRESHOLD = 3", "THRESHOLD = 4") == []
    with caplog.at_level(logging.INFO):
        outcome = stage.run("THRESHOLD = 3", "THRESHOLD = 4")
    assert outcome.code_changes == []
    assert "2 code. If that makes no difference" in caplog.text


def test_parts_of_a_later_version_are_told_too(stage: Stage) -> None:
    def change(function: dict[str, Any]) -> None:
        function["fingerprint"] = "sha256:other"
        function["parts"].append({"kind": "model", "name": "weights", "value": "7", "author": "me"})

    rewrite(stage.target, change)
    assert stage.changes() == ["model 7 (gone)"]


HOSTILE = {
    "too many": [{"kind": "function", "name": str(number)} for number in range(5000)],
    "a huge name": [{"kind": "function", "name": "x" * 10_000_000}],
    "a huge file": [{"kind": "function", "name": "x", "file": "x" * 10_000_000}],
    "a huge value": [{"kind": "constant", "name": "x", "value": "9" * 5000}],
    "a kind of many words": [{"kind": "a b\n", "name": "x"}],
    "a digest that is none": [{"kind": "function", "name": "x", "digest": "\x1b[31m"}],
    "a number for a value": [{"kind": "constant", "name": "x", "value": 3}],
    "no name": [{"kind": "function"}],
    "an object": {"function": "x"},
    "a text": "function x",
    "nothing": None,
}


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
def test_parts_that_are_none_are_damage(stage: Stage, parts: Any) -> None:
    rewrite(stage.target, lambda function: function.update(parts=parts))
    with pytest.raises(errors.ManifestDamaged, match="dirops rollback"):
        read_manifest(stage.target)
    with pytest.raises(errors.DiropsError):
        stage.run()
    with pytest.raises(errors.DiropsError):
        stage.changes()


def test_what_a_terminal_would_obey_is_shown(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    evil = "\x1b[31mred\n2026 ERROR all is lost\u202e"

    def change(function: dict[str, Any]) -> None:
        function["fingerprint"] = "sha256:other"
        function["parts"] += [{"kind": "constant", "name": evil, "file": evil, "value": evil[:30]}]

    rewrite(stage.target, change)
    with caplog.at_level(logging.INFO):
        outcome = stage.run(dry_run=True)
    for text in (*outcome.code_changes, *caplog.messages):
        assert text.isprintable()
    assert "\\x1b[31mred" in outcome.code_changes[0]


def test_no_more_than_so_many_parts_are_kept(stage: Stage) -> None:
    many = 3 * MAX_PARTS
    helpers = "".join(f"def f{number}(x): return x + {number}\n" for number in range(many))
    calls = " + ".join(f"f{number}(1)" for number in range(many))
    source = f"{helpers}def read_text(path): return str({calls})\n"
    stage.run(read=stage.code(source=source))
    function = read_manifest(stage.target).function
    assert (len(function.parts), function.parts_left_out) == (MAX_PARTS, many + 2 - MAX_PARTS)
    assert function.parts[1].name == "read_text"
    assert len((stage.target / "_dirops/manifest.json").read_bytes()) < 30_000
    # What became of those that are left out nobody knows, so nothing is said to be new or gone.
    assert stage.changes(read=stage.code("f0(1)", "0", source=source)) == ["`read_text` in my_dag.py"]
    told = stage.changes(read=stage.code(f"return x + {many - 1}\n", "return x\n", source=source))
    assert told in ([], [f"`f{many - 1}` in my_dag.py"])


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("THRESHOLD", 3, "3"),
        ("ratio", 0.25, "0.25"),
        ("is_red", True, "True"),
        ("limit", None, "None"),
        ("MODE", "mean", None),
        ("NAMES", ("a",), None),
        ("big", 10**12, None),
        pytest.param("huge", 10**5000, None, id="huge"),
        ("PASSWORD", 3, None),
        ("db_passwd", 3, None),
        ("apiKey", 3, None),
        ("API_KEY", 3, None),
        ("accessToken2", 3, None),
        ("Config.secret", 3, None),
        ("connect(pin)", 3, None),
        ("SSHPrivateKey", 3, None),
        ("monkeys", 3, "3"),
        ("spin", 3, "3"),
        ("keystone", 3, "3"),
    ],
)
def test_which_values_may_be_told(name: str, value: object, told: str | None) -> None:
    assert part_value(name, value) == told


def test_what_airflow_masks_is_not_told() -> None:
    with masked_by(lambda text: text.replace("4711", "***")):
        assert part_value("limit", 4711) is None


def test_no_text_of_the_code_is_in_the_manifest(stage: Stage) -> None:
    stage.run()
    content = (stage.target / "_dirops/manifest.json").read_text()
    assert "hello" not in content
    assert "1234" not in content.replace(header_of(stage.target)["function"]["fingerprint"], "")
    digests = {part["digest"] for part in header_of(stage.target)["function"]["parts"] if "digest" in part}
    assert all(len(digest) == 4 for digest in digests)


def test_the_command_tells_it(stage: Stage) -> None:
    (stage.folder / "functions.py").write_text(IMAGES)
    (stage.folder / "edited.py").write_text(IMAGES.replace("THRESHOLD = 3", "THRESHOLD = 4"))

    def plan(*options: str) -> str:
        command = [sys.executable, "-m", "airflow_dirops", "plan", "in", "target", *options]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
        done = subprocess.run(command, cwd=stage.folder, capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    lines = plan("--read", "edited:read_text").splitlines()
    assert "code     a.txt" in lines
    assert any("changed" in line and "`THRESHOLD` 3 -> 4" in line for line in lines)
    assert any("call it with accept_code_change=True" in line for line in lines)
    assert "code" not in {
        line.split()[0] for line in plan("--read", "edited:read_text", "--accept-code-change").splitlines()[:2]
    }
    assert "accept_code_change" not in plan("--read", "edited:read_text", "--codec", "json")
    assert "accept_code_change" not in plan("--read", "functions:read_text")
    found = json.loads(plan("--read", "edited:read_text", "--json"))
    change = {"kind": "constant", "name": "THRESHOLD", "before": "3", "after": "4", "how": "changed"}
    assert found["code_changes"] == [change | {"file": "edited.py"}]
    assert json.loads(plan("--read", "functions:read_text", "--json"))["code_changes"] is None
    assert json.loads(plan("--json"))["code_changes"] is None
    assert not (control_of(stage.target) / "attempts").exists() or not any(
        (control_of(stage.target) / "attempts").iterdir()
    )
