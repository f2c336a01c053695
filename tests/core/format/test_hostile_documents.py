"""Documents of a target with members changed, exchanged or cut, through every door: only errors of ours come out.

``DIROPS_FUZZ=20000`` tries so many documents instead of a few, four in a second: that takes an hour and a half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import Retention, errors, open_snapshot, read_directory, transform_directory
from airflow_dirops.core.places.directory.control import ControlDirectory
from airflow_dirops.core.places.directory.place import DirectoryPlace
from airflow_dirops.core.upkeep import (
    adopt,
    adoption_of,
    clean,
    list_held,
    list_rejections,
    list_snapshots,
    publish,
    reject,
    repair,
    rollback,
    verify,
)
from airflow_dirops.testing.places.driving import Driven, attempt_of, terms
from airflow_dirops.triggers.conditions import Conditions
from tests.core.directories import assert_whole, control_of, state_of, write_texts
from tests.core.seed import read_text, shout

pytestmark = pytest.mark.timeout(0 if "DIROPS_FUZZ" in os.environ else 300)
LISTS = ("files.jsonl", "skipped.jsonl", "quarantine.jsonl")
# Where a document lies, from the directory that holds the target's parent.
DOCUMENTS = [
    "out/target/_dirops/manifest.json",
    *(f"out/target/_dirops/{name}" for name in LISTS),
    "out/.dirops/target/fence.json",
    "out/.dirops/target/intent.json",
    "out/.dirops/target/accepted-removal.json",
    "out/.dirops/target/adoption.json",
    "out/.dirops/target/rejections.json",
    "out/.dirops/target/attempts/{held}/hold.json",
    "out/.dirops/target/attempts/{held}/tree/_dirops/manifest.json",
    "out/.dirops/target/attempts/{held}/tree/_dirops/files.jsonl",
    "out/.dirops/target/lock",
    "out/.dirops/target/retired/{retired}/_dirops/manifest.json",
    "out/.dirops/target/retired/{retired}/_dirops/files.jsonl",
    "out/.dirops/target/attempts/{attempt}/owner.json",
    "out/.dirops/target/attempts/{attempt}/journal.jsonl",
    "out/.dirops/target/attempts/{attempt}/alive",
    "out/.dirops/target/attempts/{open}/claim.json",
    "out/.dirops/target/attempts/{open}/alive",
    "out/.dirops/target/attempts/{open}-2/owner.json",
    "out/.dirops/target/attempts/{open}-2/journal.jsonl",
    "out/.dirops/target/attempts/{open}-2/alive",
]
OPEN = terms(dimensions={"site": "berlin"})
LEADING_OUT = [
    "../canary",
    "../../canary",
    "{tmp}/canary",
    "/etc",
    "..",
    ".",
    "",
    "a\0b",
    "_dirops/x",
    ".dirops",
    "~",
    "\n",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 2**31, 2**63 - 1, 2**63, 2**64, 10**4000, -(10**30), 1e308]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(LEADING_OUT),
    st.sampled_from(
        ["0190a5da-ac96-774b-bcce-b302099a8057", "x" * 5000, "0" * 64, "dirops/1", "dirops/2", "9999-12-31"]
    ),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))
Change = Callable[[bytes, str], bytes]


@st.composite
def member_changes(draw: st.DrawFn) -> Change:
    """Another value for one member, or one member less or more, somewhere."""
    where, value = draw(st.integers(0, 10_000)), draw(VALUES)
    how = draw(st.sampled_from(["replace", "replace", "remove", "rename", "repeat"]))
    name = draw(st.sampled_from(["path", "path_b64", "snapshot", "attempt", "../x", "files.jsonl", "x"]))

    def change(content: bytes, tmp: str) -> bytes:
        lines = content.splitlines() if content.count(b"\n{") else [content]
        if not content.strip():
            lines = [b"{}"]
        number = where % len(lines)
        with suppress(ValueError):
            document = json.loads(lines[number])
            places = list(_places(document))
            if places:
                holder, key = places[where % len(places)]
                filled = _filled(value, tmp)
                if how == "remove":
                    del holder[key]
                elif how == "rename" and isinstance(holder, dict):
                    holder[name] = holder.pop(key)
                else:
                    holder[key] = filled
            lines[number] = json.dumps(document).encode()
        if how == "repeat":
            lines.insert(number, lines[number])
        return b"\n".join(lines) + b"\n"

    return change


@st.composite
def byte_changes(draw: st.DrawFn) -> Change:
    """Bytes cut out, put in, exchanged; a mark before, garbage behind."""
    begin, length = draw(st.integers(0, 5000)), draw(st.integers(0, 200))
    inserted = draw(
        st.binary(max_size=30)
        | st.sampled_from(
            [b"\xef\xbb\xbf", b"\r\n", b"\0", b"NaN", b"[" * 5000, b'"\\ud800"', b"9" * 5000, b"\n\n", b"}{"]
        )
    )

    def change(content: bytes, tmp: str) -> bytes:
        at = begin % (len(content) + 1)
        return content[:at] + inserted + content[at + length :]

    return change


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        yield document, key
        yield from _places(document[key])


def _filled(value: Any, tmp: str) -> Any:
    return value.replace("{tmp}", tmp) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A target with a retired snapshot, an open claim, one that is held, one that was rejected, a dead attempt, one of
    each list; and canaries beside it.
    """
    tmp = Path(tempfile.mkdtemp(prefix="dirops-fuzz-"))
    write_texts(tmp / "texts", a="alpha", b="beta", s="skip", q="ill")
    write_texts(tmp / "canary", thesis="precious")
    write_texts(tmp / "out/neighbour", thesis="precious")
    for text in ("alpha", "again"):
        write_texts(tmp / "texts", a=text)
        stage(tmp)
    leave_open(DirectoryPlace(tmp / "out/target"))
    for text in ("rejected", "held"):
        write_texts(tmp / "texts", a=text)
        stage(tmp, publish="hold")
        if text == "rejected":
            reject(tmp / "out/target", reason="dark")
    write_texts(tmp / "texts", z="zeta")
    with pytest.raises(errors.RecordFailed):
        stage(tmp, read=refuse_z, on_error="fail")
    with (tmp / "out/.dirops/target/intent.json").open("w") as file:
        attempt = names_in(control_of(tmp / "out/target"))["attempt"]
        json.dump({"attempt": attempt, "snapshot": "", "retired": ""}, file)
    yield tmp
    shutil.rmtree(tmp)


def leave_open(place: DirectoryPlace) -> None:
    """A claim that two processes have worked on."""
    first = Driven.begin(place, attempt_of(), OPEN).put({"o.bin": b"open", "p.bin": b"open"})
    first.leave()
    Driven.resume(place, first).put({"q.bin": b"open"}).leave()


def names_in(control: Path) -> dict[str, str]:
    """What the documents' paths leave out."""
    areas = list((control / "attempts").iterdir())
    (opened,) = (area.name for area in areas if (area / "claim.json").exists())
    (held,) = (area.name for area in areas if (area / "hold.json").exists())
    attempt = max(area.name for area in areas if not area.name.startswith((opened, held)))
    (retired,) = (snapshot.name for snapshot in (control / "retired").iterdir())
    return {"retired": retired, "attempt": attempt, "open": opened, "held": held}


def read_some(path: str) -> str | None:
    text = Path(path).read_text()
    if text == "ill":
        raise ValueError(text)
    return None if text == "skip" else text


def refuse_z(path: str) -> str | None:
    if path.endswith("z.txt"):
        raise ValueError
    return read_some(path) if not path.endswith("q.txt") else "well"


def stage(tmp: Path, **changes: Any) -> None:
    options: dict[str, Any] = {"codec": "text", "stage": "copy", "on_error": "quarantine", "version": "1"}
    read_directory(source=tmp / "texts", target=tmp / "out/target", **{"read": read_some, **options, **changes})


def try_every_door(tmp: Path, opened: str, waits: str | None) -> None:
    target = tmp / "out/target"
    doors: list[Callable[[], Any]] = [
        lambda: publish(target, waits),
        lambda: [(record.path, record.value) for record in _opened(target)],
        lambda: Conditions(target=str(target), newer_than="2026-01-01T00:00:00+00:00").look(),
        lambda: list_snapshots(target),
        lambda: verify(target, deep=True),
        lambda: transform_directory(source=target, target=tmp / "out/final", transform=shout, codec="text"),
        lambda: transform_directory(source=target, target=tmp / "out/read", read=read_text, codec="text"),
        lambda: stage(tmp, dry_run=True),
        lambda: list_held(target),
        lambda: list_rejections(target),
        lambda: reject(target, waits, reason="dark"),
        lambda: take_all(target, opened).fail(),
        lambda: repair(target),
        lambda: stage(tmp),
        lambda: clean(target, Retention(0, 0)),
        lambda: rollback(target),
        lambda: adoption_of(target),
        lambda: stage(tmp, stage="other"),
        lambda: adopt(target, "other"),
        lambda: stage(tmp, redo="all", may_replace=["unmanaged", "other_stage"]),
        lambda: take_all(target, opened).finish("last"),
    ]
    for door in doors:
        with suppress(errors.DiropsError):
            door()


def take_all(target: Path, opened: str) -> Driven:
    """Go on with the open claim, and take what its first two processes have finished and can still be taken."""
    driven = Driven(DirectoryPlace(target).resume(opened, OPEN), OPEN)
    try:
        for other in driven.claim.others[:2]:
            for line in other.finished():
                driven.staging.reuse(line, other)
    except BaseException:
        driven.fail()
        raise
    return driven


def _opened(target: Path) -> Iterator[Any]:
    with open_snapshot(target) as snapshot:
        yield from snapshot


def corrupt(tmp: Path, document: str, change: Change, consistent: bool) -> None:
    path = tmp / document.format(**names_in(control_of(tmp / "out/target")))
    content = change(path.read_bytes() if path.exists() else b"{}", str(tmp))
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    header = path.parent / "manifest.json"
    if consistent and path.name in LISTS:
        manifest = json.loads(header.read_bytes())
        manifest["lists"][path.name] = {
            "lines": content.count(b"\n"),
            "bytes": len(content),
            "digest": hashlib.sha256(content).hexdigest(),
        }
        header.unlink()
        header.write_text(json.dumps(manifest))


def copied(file: str, to: str) -> None:
    """What attempts have finished is known by its inode."""
    (os.link if "/tree/" in file else shutil.copy2)(file, to)


@settings(
    max_examples=int(os.environ.get("DIROPS_FUZZ", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(DOCUMENTS), member_changes() | byte_changes(), st.booleans())
@example(DOCUMENTS[0], lambda content, tmp: content.replace(b'"snapshot"', b'"snapshot":"/etc","x"', 1), False)
@example(DOCUMENTS[5], lambda content, tmp: content.replace(b'"snapshot": ""', b'"snapshot": "../../x"'), False)
def test_nothing_outside_changes_and_no_error_is_anybody_elses(
    template: Path, document: str, change: Change, consistent: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="dirops-fuzz-") as scratch:
        tmp = Path(scratch, "here")
        shutil.copytree(template, tmp, symlinks=True, copy_function=copied)
        names = names_in(control_of(tmp / "out/target"))
        hold = control_of(tmp / "out/target") / "attempts" / names["held"] / "hold.json"
        waits = json.loads(hold.read_bytes())["snapshot"] if consistent else None
        corrupt(tmp, document, change, consistent)
        before = [state_of(tmp / place) for place in ("canary", "out/neighbour", "texts")]
        beside = {path.name for path in tmp.iterdir()} | {path.name for path in Path(scratch).iterdir()}
        try_every_door(tmp, names["open"], waits)
        assert [state_of(tmp / place) for place in ("canary", "out/neighbour", "texts")] == before
        assert {path.name for path in tmp.iterdir()} | {path.name for path in Path(scratch).iterdir()} == beside
        assert {path.name for path in (tmp / "out").iterdir()} <= {"target", ".dirops", "neighbour", "final", "read"}
        assert ControlDirectory(tmp / "out/target").target.is_dir()
        with suppress(errors.ManifestTooNew):
            assert_whole(tmp / "out/target") if _is_ours(tmp / "out/target") else None


def _is_ours(target: Path) -> bool:
    """Not one that a newer version wrote, which stays as it is."""
    return json.loads((target / "_dirops/manifest.json").read_bytes()).get("format") == "dirops/1"
