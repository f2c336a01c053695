"""A snapshot of very many files: pages of it take no more memory than those of a few."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.core.directories import header_of, write_texts
from tests.web.conftest import Browser, commit

FILES = 300_000
MOST = 50 << 20


def enlarge(target: Path, count: int) -> None:
    """Let a manifest list so many files more."""
    files = target / "_dirops/files.jsonl"
    line = (
        '{"path":"img_%07d.txt","size":5,"digest":"%064x","inputs":[{"path":"img_%07d.png","size":9,"mtime_ns":1}]}\n'
    )
    files.chmod(0o644)
    with files.open("w") as out:
        out.writelines(line % (number, number, number) for number in range(count))
    content = files.read_bytes()
    header = header_of(target)
    digest = hashlib.sha256(content).hexdigest()
    header["lists"]["files.jsonl"] = {"lines": count, "bytes": len(content), "digest": digest}
    header["counts"]["entries"] = count
    (target / "_dirops/manifest.json").write_text(json.dumps(header))


def test_pages_search_and_lines_of_very_many_files(browser: Callable[..., Browser], root: Path) -> None:
    write_texts(root / "raw", a="alpha")
    commit(root, "many")
    someone = browser()
    for page in ("files", "sheet", "snapshot"):
        assert someone.open(page, target="many").status == 200
    before = psutil.Process().memory_info().rss
    enlarge(root / "many", FILES)
    grown_by_the_test = psutil.Process().memory_info().rss - before

    assert "img_0000099.txt" in someone.open("files", target="many").text
    assert f"{FILES:,}" in someone.text
    following = someone.links("files")[-1]
    assert "img_0000100.txt" in someone.open(following).text
    found = someone.open("files", target="many", q=f"IMG_{FILES - 1:07}")
    while "Search on" in found.text:
        found.open(found.links("files")[-1])
    assert f"img_{FILES - 1:07}.txt" in found.text
    assert someone.open("file", target="many", path=f"img_{FILES - 7:07}.txt").status == 200
    grown = psutil.Process().memory_info().rss - before - max(0, grown_by_the_test)
    assert grown < MOST, f"{grown >> 20} MiB"
