"""What the page refuses: each tried."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.directories import header_of, write_texts
from tests.web.conftest import BASE, Browser, commit

Open = Callable[..., Browser]

PAGES = ("", "snapshot", "files", "run", "static/page.css", "static/page.js", "no-such-page")


@pytest.fixture
def target(root: Path) -> Path:
    write_texts(root / "raw", a="alpha", b="beta")
    commit(root, "interim/texts")
    return root / "interim/texts"


@pytest.mark.parametrize("page", PAGES[:-1])
def test_nobody_gets_in_whom_airflow_does_not_know(page: str, browser: Open, target: Path) -> None:
    anonymous = browser("").open(page, target="interim/texts")
    assert anonymous.status == 401
    assert "interim" not in anonymous.text


def test_a_token_that_is_none_of_airflows_lets_nobody_in(browser: Open, target: Path) -> None:
    someone = browser("")
    someone.client.cookies.set("_token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")
    assert someone.open("snapshot", target="interim/texts").status in (401, 403)


@pytest.mark.parametrize("page", ["snapshot", "files"])
def test_a_dag_that_one_may_not_read_is_as_if_it_were_not_there(page: str, browser: Open, root: Path) -> None:
    write_texts(root / "raw", a="alpha")
    commit(root, "mine", dag_id="images")
    commit(root, "theirs", dag_id="payroll")
    commit(root, "script", dag_id="")
    someone = browser("narrow")
    assert someone.open(page, target="mine").status == 200
    for hidden in ("theirs", "script"):
        assert someone.open(page, target=hidden).status == 404
        told = someone.text
        someone.open(page, target="nowhere")
        assert told == someone.text
    assert browser("viewer").open(page, target="theirs").status == 200


@pytest.mark.parametrize(
    "path",
    ["..", "../outside", "interim/../../outside", "interim/./texts", "interim//texts", "/etc", "interim/texts/_dirops",
     "interim/.dirops/texts", "x" * 300, "a/" * 400, "nul\0byte", "{{ x }}", "*", "~root", ""],
)  # fmt: skip
def test_a_path_leads_nowhere_else(path: str, browser: Open, target: Path) -> None:
    outside = target.parents[2] / "outside"
    shutil.copytree(target, outside)
    answer = browser().open("snapshot", target=path)
    assert answer.status in (403, 404), answer.text
    assert "alpha" not in answer.html


def test_a_link_is_not_followed_wherever_it_leads(browser: Open, root: Path, target: Path) -> None:
    outside = root.parent / "outside"
    shutil.copytree(target, outside)
    (root / "link").symlink_to(outside)
    (root / "folder").symlink_to(root / "interim")
    for path in ("link", "folder/texts"):
        answer = browser().open("snapshot", target=path)
        assert answer.status == 403
        assert "through a link" in answer.text


def test_a_list_that_is_a_link_is_not_read(browser: Open, root: Path, target: Path) -> None:
    secret = root.parent / "secret.jsonl"
    secret.write_text('{"path":"secret.txt","size":1,"digest":"' + "0" * 64 + '","inputs":[]}\n')
    (target / "_dirops/files.jsonl").unlink()
    (target / "_dirops/files.jsonl").symlink_to(secret)
    answer = browser().open("files", target="interim/texts")
    assert answer.status == 404
    assert "secret.txt" not in answer.text


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_a_list_that_is_no_file_does_not_hang(kind: str, browser: Open, target: Path) -> None:
    listed = target / "_dirops/files.jsonl"
    listed.unlink()
    os.mkfifo(listed) if kind == "fifo" else listed.mkdir()
    assert browser().open("files", target="interim/texts").status == 404


HTML = "<img src=x onerror=alert(1)>"


def test_names_are_shown_and_do_nothing(browser: Open, root: Path) -> None:
    raw = root / "raw"
    raw.mkdir()
    for name in (HTML.replace("/", "_"), "ansi\x1b[31m", "'\"`&amp;", "right\u202eleft"):
        (raw / f"{name}.txt").write_text("x")
    (raw / os.fsdecode(b"latin-\xe9.txt")).write_text("x")
    commit(root, "interim/<u>texts", dag_id="images", partition="<i>day")
    header = header_of(root / "interim/<u>texts")
    header["function"]["name"] = header["stage"] = header["attempt"]["run_id"] = HTML
    header["source"]["location"] = "../javascript:alert(1)"
    header["writer"] = {HTML: HTML}
    header["dimensions"] = {HTML: HTML}
    (root / "interim/<u>texts/_dirops/manifest.json").write_text(json.dumps(header))
    for page in ("snapshot", "files"):
        answer = browser().open(page, target="interim/<u>texts")
        assert answer.status == 200
        for raised in ("<img", "<u>", "<i>", "\x1b", "\u202e", 'href="javascript'):
            assert raised not in answer.html, raised
    assert HTML in answer.text or "<img" in answer.text
    assert "latin-" in answer.text
    for link in answer.links("file"):
        assert "\udce9" not in link


@pytest.mark.parametrize("page", ["snapshot", "files", "no-such-page", "static/page.js"])
def test_every_answer_has_a_policy_that_lets_no_text_act(page: str, browser: Open, target: Path) -> None:
    for name in ("admin", ""):
        headers = browser(name).open(page, target="interim/texts").headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy)
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_have_neither_scripts_nor_styles_of_their_own_nor_anything_from_elsewhere(
    browser: Open, target: Path
) -> None:
    for page in ("", "snapshot", "files"):
        html = browser().open(page, target="interim/texts").html
        assert "style=" not in html
        assert " on" not in " ".join(part for part in html.split("<") if part.startswith(("a ", "button", "form")))
        assert "http://" not in html
        assert "https://" not in html
        assert html.count("<script") == 1


def test_it_only_reads(browser: Open, target: Path) -> None:
    someone = browser()
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(someone.client, method)(f"{BASE}/dirops/snapshot?target=interim/texts")
        assert answer.status_code == 405


def test_a_manifest_of_a_stranger_is_no_internal_error(browser: Open, target: Path) -> None:
    header = target / "_dirops/manifest.json"
    whole = json.loads(header.read_text())
    for content in ("{", "[" * 100_000, json.dumps({**whole, "format": "dirops/99"}), "x" * (2 << 20), ""):
        header.chmod(0o644)
        header.write_text(content)
        assert browser().open("snapshot", target="interim/texts").status == 404
    header.write_text(json.dumps(whole))
    (target / "_dirops/files.jsonl").chmod(0o644)
    for line in ("{}", '{"path":"../x","size":1,"digest":"' + "0" * 64 + '","inputs":[]}', "x" * (17 << 20), "no end"):
        (target / "_dirops/files.jsonl").write_text(line + ("" if line == "no end" else "\n"))
        assert browser().open("files", target="interim/texts").status == 404


@pytest.mark.parametrize("query", ["at=1", "at=-1", "at=99999999999999999999", "at=x", "&" * 500, "%ff=%ff", "list=x"])
def test_an_address_of_a_stranger_is_no_internal_error(query: str, browser: Open, target: Path) -> None:
    answer = browser().client.get(f"{BASE}/dirops/files?target=interim/texts&{query}")
    assert answer.status_code in (200, 404)


def test_only_the_processes_that_serve_the_page_pay_for_it() -> None:
    code = "import sys, airflow_dirops.plugin; print('airflow_dirops.web.app' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
