"""Plans, sealed shards and messages with parts changed or cut: only errors of ours come out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from airflow_dirops.core import Stage, clean, cut, gather, work_shard
from airflow_dirops.core.errors import DiropsError
from tests.core.directories import state_of, write_texts
from tests.core.format.test_hostile_documents import VALUES, Change, byte_changes, member_changes
from tests.core.sharding.sharded import contents

pytestmark = pytest.mark.timeout(0 if "DIROPS_FUZZ" in os.environ else 300)
EXAMPLES = int(os.environ.get("DIROPS_FUZZ", "30"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
DOCUMENTS = [
    *(
        "plan:notes/plan.json",
        "plan:notes/plan-1.jsonl",
        "plan:notes/plan-0.jsonl",
        "plan:claim.json",
        "plan:owner.json",
    ),
    *("shard:notes/seal.json", "shard:notes/files.jsonl", "shard:notes/skipped.jsonl", "shard:notes/quarantine.jsonl"),
    *("shard:owner.json", "shard:journal.jsonl", "shard:alive"),
]


def read_some(path: str) -> str | None:
    text = Path(path).read_text()
    if text == "ill":
        raise ValueError(text)
    return None if text == "skip" else text


def stage(tmp: Path) -> Stage:
    return Stage(
        source=tmp / "texts",
        target=tmp / "out/target",
        read=read_some,
        codec="text",
        stage="copy",
        version="1",
        on_error="quarantine",
        durability="process",
    )


@pytest.fixture(scope="module")
def template() -> Iterator[tuple[Path, dict[str, Any]]]:
    """A plan of three shards, of which one has been worked on; a snapshot before; and canaries beside it."""
    tmp = Path(tempfile.mkdtemp(prefix="dirops-fuzz-"))
    write_texts(tmp / "texts", a="alpha", b="beta", s="skip", q="ill")
    write_texts(tmp / "canary", thesis="precious")
    write_texts(tmp / "out/neighbour", thesis="precious")
    first = cut(stage(tmp), 1)
    gather(stage(tmp), first, [work_shard(stage(tmp), shard) for shard in first.shards])
    write_texts(tmp / "texts", b="again", c="gamma", d="delta")
    planned = cut(stage(tmp), 3)
    sealed = work_shard(stage(tmp), planned.shards[1])
    yield tmp, {"cut": planned.to_dict(), "shards": [shard.to_dict() for shard in planned.shards], "sealed": sealed}
    shutil.rmtree(tmp)


def go_through(tmp: Path, told: dict[str, Any]) -> str:
    """Work on the other shards, and commit; returns how it ended."""
    try:
        results = [work_shard(stage(tmp), told["shards"][0]), told["sealed"], work_shard(stage(tmp), told["shards"][2])]
        return gather(stage(tmp), told["cut"], results).outcome
    except DiropsError as error:
        return error.kind
    finally:
        clean(tmp / "out/target")


def corrupt(tmp: Path, told: dict[str, Any], document: str, change: Change, consistent: bool) -> None:
    whose, _, name = document.partition(":")
    area = told["cut"]["plan"] if whose == "plan" else told["sealed"]["area"]
    path = tmp / "out/.dirops/target/attempts" / area / name
    content = change(path.read_bytes(), str(tmp))
    path.unlink()
    path.write_bytes(content)
    if consistent and path.suffix == ".jsonl" and path.parent.name == "notes":
        _list_anew(path, content)
    if consistent and path.parent.name == "notes":
        _tell_anew(path.parent, told)


def _list_anew(path: Path, content: bytes) -> None:
    record = {"lines": content.count(b"\n"), "bytes": len(content), "digest": hashlib.sha256(content).hexdigest()}
    holder = path.parent / ("plan.json" if path.name.startswith("plan-") else "seal.json")
    document = json.loads(holder.read_bytes())
    if holder.name == "plan.json":
        document["slices"][int(path.stem[5:])]["list"] = record
    else:
        document["lists"][path.name] = record
    holder.unlink()
    holder.write_text(json.dumps(document))


def _tell_anew(notes: Path, told: dict[str, Any]) -> None:
    for name, members in (("plan.json", [told["cut"], *told["shards"]]), ("seal.json", [told["sealed"]])):
        if (notes / name).exists():
            for member in members:
                member["digest"] = hashlib.sha256((notes / name).read_bytes()).hexdigest()


def check_nothing_else_changed(tmp: Path, told: dict[str, Any]) -> str:
    before = [state_of(tmp / place) for place in ("canary", "out/neighbour", "texts")]
    beside = {path.name for path in tmp.iterdir()}
    ended = go_through(tmp, told)
    assert [state_of(tmp / place) for place in ("canary", "out/neighbour", "texts")] == before
    assert {path.name for path in tmp.iterdir()} == beside
    assert {path.name for path in (tmp / "out").iterdir()} == {"target", ".dirops", "neighbour"}
    return ended


@SETTINGS
@given(st.sampled_from(DOCUMENTS), member_changes() | byte_changes(), st.booleans())
@example(DOCUMENTS[0], lambda content, tmp: content.replace(b'"where":[', b'"where":[],"x":[', 1), True)
@example(DOCUMENTS[6], lambda content, tmp: content.replace(b'"path":"', b'"path":"../../../../canary/', 1), True)
@example(DOCUMENTS[2], lambda content, tmp: content.replace(b'"path":"', b'"path":"../canary/', 1), True)
@example(DOCUMENTS[5], lambda content, tmp: content.replace(b'"files.jsonl"', b'"../x"', 1), True)
def test_a_damaged_document_is_an_error_of_ours(
    template: tuple[Path, dict[str, Any]], document: str, change: Change, consistent: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="dirops-fuzz-") as scratch:
        tmp, told = Path(scratch, "here"), json.loads(json.dumps(template[1]))
        shutil.copytree(template[0], tmp, symlinks=True)
        was = contents(tmp / "out/target")
        corrupt(tmp, told, document, change, consistent)
        ended = check_nothing_else_changed(tmp, told)
        if not consistent or ended != "committed":
            made = contents(tmp / "out/target")
            values = {name: made.get(name) for name in ("a.txt", "b.txt", "c.txt", "d.txt")}
            right = {"a.txt": b"alpha", "b.txt": b"again", "c.txt": b"gamma", "d.txt": b"delta"}
            assert made == was or values == right


@SETTINGS
@given(
    st.sampled_from(["cut", "sealed", 0]),
    st.sampled_from(["plan", "digest", "shard", "area", "of", "host", "outcome", "x", "computed", "label"]),
    VALUES,
)
def test_a_damaged_message_is_an_error_of_ours(
    template: tuple[Path, dict[str, Any]], which: str | int, member: str, value: Any
) -> None:
    with tempfile.TemporaryDirectory(prefix="dirops-fuzz-") as scratch:
        tmp, told = Path(scratch, "here"), json.loads(json.dumps(template[1]))
        shutil.copytree(template[0], tmp, symlinks=True)
        message = told["shards"][which] if isinstance(which, int) else told[which]
        message[member] = value.replace("{tmp}", str(tmp)) if isinstance(value, str) else value
        check_nothing_else_changed(tmp, told)


@pytest.mark.parametrize("given", [None, 3, "x", [], {}, {"plan": None}, [("plan", 1)], object()])
def test_what_is_no_message_is_refused(tmp_path: Path, given: Any) -> None:
    for call in (lambda: work_shard(stage(tmp_path), given), lambda: gather(stage(tmp_path), given, [])):
        with pytest.raises(DiropsError, match="unaltered"):
            call()
