"""Manifests that cannot be believed: of a source, and of the target that would be replaced."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dirops.core import errors, open_snapshot, read_manifest, transform_directory
from tests.core.children import NOBODY, as_nobody
from tests.core.conftest import Run
from tests.core.directories import assert_whole, header_of, nothing_lost, orphans_of, retired_of, values_of
from tests.core.seed import shout

HEADER, FILES = "_dirops/manifest.json", "_dirops/files.jsonl"


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def rewrite_header(target: Path, **members: Any) -> None:
    rewrite(target / HEADER, lambda content: json.dumps(json.loads(content) | members).encode())


def rewrite_list(target: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the list, and the header with it, as somebody would who means it."""
    rewrite(target / FILES, lambda content: b"".join(change(content.splitlines(keepends=True))))
    content = (target / FILES).read_bytes()
    lists = header_of(target)["lists"]
    lists["files.jsonl"] = {
        "lines": content.count(b"\n"),
        "bytes": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
    }
    rewrite_header(target, lists=lists)


HEADERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("empty", lambda content: b""),
    ("cut off", lambda content: content[: len(content) // 2]),
    ("no JSON", lambda content: b"\x89PNG" + content),
    ("not UTF-8", lambda content: content.replace(b"copy", b"c\xffpy")),
    ("another format", lambda content: content.replace(b"dirops/1", b"parquet/1")),
    ("no version", lambda content: content.replace(b"dirops/1", b"dirops/one")),
    ("a member missing", lambda content: content.replace(b'"snapshot"', b'"snapshoot"')),
    ("a member of another type", lambda content: content.replace(b'"bytes": 14', b'"bytes": "14"')),
]


@pytest.mark.parametrize("change", [change for _, change in HEADERS], ids=[name for name, _ in HEADERS])
class TestDamagedHeader:
    def test_of_a_source(self, run: Run, target: Path, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
        run()
        rewrite(target / HEADER, change)
        for look in (read_manifest, open_snapshot):
            with pytest.raises(errors.ManifestDamaged) as caught:
                look(target)
            assert str(target / HEADER) in str(caught.value)
        with pytest.raises(errors.ManifestDamaged):
            transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text")
        assert not (tmp_path / "final").exists()

    def test_of_the_target(self, run: Run, target: Path, change: Callable[[bytes], bytes]) -> None:
        run()
        rewrite(target / HEADER, change)
        with nothing_lost(target), pytest.raises(errors.TargetRefused, match="dirops adopt ") as caught:
            run()
        assert str(target / HEADER) in str(caught.value)
        run(may_replace={"unmanaged"})
        assert_whole(target)
        assert orphans_of(target) == []
        assert any((kept / "a.txt").read_text() == "alpha" for kept in retired_of(target))


class TestNewerFormat:
    @pytest.fixture
    def newer(self, run: Run, target: Path) -> Path:
        run()
        rewrite_header(target, format="dirops/2")
        return target

    def test_of_a_source(self, newer: Path, tmp_path: Path) -> None:
        with pytest.raises(errors.ManifestTooNew, match=r"dirops/2.*reads up to dirops/1; upgrade airflow-dirops"):
            transform_directory(source=newer, target=tmp_path / "final", transform=shout, codec="text")

    @pytest.mark.parametrize("options", [{}, {"redo": "all"}, {"may_replace": ["unmanaged", "other_stage"]}])
    def test_of_the_target(self, run: Run, newer: Path, options: dict[str, bool]) -> None:
        with nothing_lost(newer), pytest.raises(errors.ManifestTooNew) as caught:
            run(**options)
        assert str(newer / HEADER) in str(caught.value)

    def test_members_that_came_later_are_no_harm(self, run: Run, target: Path) -> None:
        run()
        rewrite_header(target, colour="red", format="dirops/1")
        assert values_of(target)["a"] == "alpha"
        assert run().outcome == "unchanged"


def flip(content: bytes) -> bytes:
    return content.replace(b"alpha", b"alpha").replace(b'"size":5', b'"size":4', 1)


LISTS: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("cut off within a line", lambda content: content[:-40], "line 3 cannot be read"),
    ("cut off between lines", lambda content: content[: content.rindex(b"{")], "line 3 cannot be read|not the list"),
    ("a line less", lambda content: b"".join(content.splitlines(keepends=True)[:2]), "is not the list"),
    ("a bit flipped", flip, "is not the list"),
    ("a line twice", lambda content: content.splitlines(keepends=True)[0] + content, "line 2 is out of order"),
    ("out of order", lambda content: b"".join(content.splitlines(keepends=True)[::-1]), "line 2 is out of order"),
    ("empty", lambda content: b"", "is not the list"),
    ("a byte that is no UTF-8", lambda content: content.replace(b"a.txt", b"\xff.txt", 1), "line 1 cannot be read"),
]


@pytest.mark.parametrize(("change", "why"), [case[1:] for case in LISTS], ids=[case[0] for case in LISTS])
class TestDamagedList:
    def test_of_a_source(
        self, run: Run, target: Path, tmp_path: Path, change: Callable[[bytes], bytes], why: str
    ) -> None:
        run()
        rewrite(target / FILES, change)
        with pytest.raises(errors.ManifestDamaged, match=why) as caught:
            transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text")
        assert str(target / FILES) in str(caught.value)
        assert "redo='all'" in str(caught.value)
        assert not (tmp_path / "final").exists()

    def test_of_the_target(self, run: Run, target: Path, change: Callable[[bytes], bytes], why: str) -> None:
        run()
        rewrite(target / FILES, change)
        with nothing_lost(target), pytest.raises(errors.ManifestDamaged, match=why):
            run()
        assert run(redo="all").outcome == "committed"
        assert_whole(target)
        assert orphans_of(target) == []


class TestListThatLies:
    """Well formed, with the right digest in the header; but it names what is none of its business."""

    @pytest.mark.parametrize(
        "path", ["../secret.txt", "/etc/passwd", "a/../../x", "_dirops/manifest.json", ".dirops/x", "", "x/./y", "a\0"]
    )
    def test_about_a_path(self, run: Run, target: Path, tmp_path: Path, path: str) -> None:
        run()
        line = {"path": path, "size": 1, "digest": "0" * 64, "inputs": []}
        rewrite_list(target, lambda lines: [json.dumps(line).encode() + b"\n"])
        with pytest.raises(errors.ManifestDamaged, match="line 1 names") as caught:
            transform_directory(source=target, target=tmp_path / "final", transform=shout, codec="text")
        assert str(target / FILES) in str(caught.value)

    def test_about_a_path_in_base64(self, run: Run, target: Path) -> None:
        run()
        name = base64.b64encode(b"../secret\xff").decode()
        line = {"path_b64": name, "size": 1, "digest": "0" * 64, "inputs": []}
        rewrite_list(target, lambda lines: [json.dumps(line).encode() + b"\n"])
        with pytest.raises(errors.ManifestDamaged, match=r"names '\.\./secret"):
            values_of(target)

    @pytest.mark.parametrize(
        ("spelling", "why"),
        [
            (b'"path_b64":"YQ=="', "is UTF-8 and belongs into path"),
            (b'"path_b64":"/3g=","path":"a"', "both path and path_b64"),
            (b'"path_b64":7', "no Base64: it is a int"),
            (b'"path_b64":["/3g="]', "no Base64: it is a list"),
            (b'"path_b64":"/3g"', "no Base64"),
            (b'"path_b64":"/3h="', "not as Base64 writes it"),
            (b'"path_b64":"/ 3g="', "no Base64"),
        ],
    )
    def test_with_a_second_spelling_of_a_path(self, run: Run, target: Path, spelling: bytes, why: str) -> None:
        run()
        line = b'{%b,"size":1,"digest":"%b","inputs":[]}\n' % (spelling, b"0" * 64)
        rewrite_list(target, lambda lines: [line])
        with pytest.raises(errors.ManifestDamaged, match=why):
            values_of(target)

    @pytest.mark.parametrize("path", ["../x", "/etc/passwd", "", "_dirops/x", "a\0"])
    def test_about_an_input(self, run: Run, target: Path, path: str) -> None:
        run()
        line = json.loads((target / FILES).read_bytes().splitlines()[0])
        line["inputs"][0]["path"] = path
        rewrite_list(target, lambda lines: [json.dumps(line).encode() + b"\n"])
        with nothing_lost(target), pytest.raises(errors.ManifestDamaged, match="line 1 names"):
            run()

    @pytest.mark.parametrize(
        ("member", "value"),
        [("size", -1), ("size", 2**63), ("size", 1.5), ("digest", "0"), ("digest", "G" * 64), ("digest", "0" * 65)],
    )
    def test_about_a_size_or_a_digest(self, run: Run, target: Path, member: str, value: Any) -> None:
        run()
        line = {"path": "a.txt", "size": 1, "digest": "0" * 64, "inputs": []} | {member: value}
        rewrite_list(target, lambda lines: [json.dumps(line).encode() + b"\n"])
        with pytest.raises(errors.ManifestDamaged, match="line 1 cannot be read"):
            values_of(target)

    def test_and_a_link_that_leads_out(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets/x.txt").write_text("psst!")
        (target / "sub").symlink_to(tmp_path / "secrets")
        digest = hashlib.sha256(b"psst!").hexdigest()
        line = {"path": "sub/x.txt", "size": 5, "digest": digest, "inputs": []}
        rewrite_list(target, lambda lines: [json.dumps(line).encode() + b"\n"])
        with pytest.raises(errors.SnapshotDamaged, match=r"sub/x\.txt"):
            values_of(target)


class TestOwnFolder:
    @pytest.mark.parametrize("name", ["files.jsonl", "skipped.jsonl", "quarantine.jsonl"])
    def test_without_a_list(self, run: Run, target: Path, name: str) -> None:
        run()
        (target / "_dirops" / name).unlink()
        with nothing_lost(target), pytest.raises(errors.ManifestDamaged, match=f"{name}.*cannot be opened: No such"):
            run()
        assert run(redo="all").outcome == "committed"

    def test_that_is_a_file(self, run: Run, target: Path) -> None:
        target.mkdir(parents=True)
        (target / "_dirops").write_text("not a folder")
        with nothing_lost(target), pytest.raises(errors.TargetRefused):
            run()

    def test_with_a_header_that_is_a_link(self, run: Run, target: Path, tmp_path: Path) -> None:
        run()
        (target / HEADER).rename(tmp_path / "elsewhere.json")
        (target / HEADER).symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises(errors.ManifestDamaged, match=r"manifest\.json"):
            read_manifest(target)

    def test_with_a_header_that_is_a_directory(self, run: Run, target: Path) -> None:
        run()
        (target / HEADER).unlink()
        (target / HEADER).mkdir()
        with pytest.raises(errors.ManifestDamaged, match=r"manifest\.json"):
            read_manifest(target)

    @pytest.mark.parametrize("locked", ["target", f"target/{HEADER}", "target/_dirops"])
    @pytest.mark.parametrize("look", [read_manifest, open_snapshot])
    def test_that_may_not_be_read(self, run: Run, public: Path, locked: str, look: Any) -> None:
        run(target=public / "target")
        os.chmod(public / locked, 0)
        answer = as_nobody(lambda: look(public / "target"))
        assert answer.startswith("StorageError: ")
        assert f"'{public}/target" in answer
        assert f"give user {NOBODY} permission" in answer


def test_a_directory_without_a_manifest_is_none(texts: Path) -> None:
    with pytest.raises(errors.ManifestMissing, match=r"has no manifest \(_dirops/manifest\.json\)"):
        read_manifest(texts)
