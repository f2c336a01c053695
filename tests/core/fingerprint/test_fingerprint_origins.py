"""Whose code counts by its text, and whose by its version: packages and metadata as installers leave them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_dirops.core.fingerprint import fingerprint
from airflow_dirops.core.fingerprint.origins import Origins

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Forget what a test imported, so that the next version of a file is imported anew."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("lib", "pkg", "unusual_prefix_")):
            del sys.modules[name]


def fingerprint_of(folder: Path, source: str) -> str:
    """Import a source as Airflow imports a DAG file, and fingerprint its function."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"unusual_prefix_{uuid4().hex}_my_dag"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return fingerprint(module.read, codec="npy").fingerprint


USES = {
    "import at the top": "import lib\ndef read(path): return lib.scale(path)",
    "from-import at the top": "from lib import scale\ndef read(path): return scale(path)",
    "import inside": "def read(path):\n    import lib as renamed\n    return renamed.scale(path)",
    "from-import inside": "def read(path):\n    from lib import scale\n    return scale(path)",
    "inside a lambda": "import lib\nread = lambda path: (lambda x: lib.scale(x))(path)",
    "in a closure": "def make():\n    import lib\n    return lambda path: lib.scale(path)\nread = make()",
    "in a table": "import lib\nBY_SUFFIX = {'.png': lib.scale}\ndef read(path): return BY_SUFFIX[path](path)",
    "as a class": "import lib\nclass Mine(lib.Scaler): pass\ndef read(path): return Mine().scale(path)",
    "as a decorator": "import lib\n@lib.scaled\ndef read(path): return path",
}
LIB = """
import functools

def scale(x):
    return x * 2

def unused(x):
    return x

class Scaler:
    def scale(self, x):
        return scale(x)

def scaled(function):
    @functools.wraps(function)
    def wrapper(x):
        return scale(function(x))
    return wrapper
"""


@pytest.mark.parametrize("source", USES.values(), ids=USES)
def test_modules_beside_the_dag_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def with_lib(content: str) -> str:
        (tmp_path / "lib.py").write_text(content, encoding="utf-8")
        importlib.invalidate_caches()
        sys.modules.pop("lib", None)
        return fingerprint_of(tmp_path / "dags", source)

    before = with_lib(LIB)
    assert with_lib(LIB.replace("return x\n", "return -x\n")) == before
    assert with_lib(LIB.replace("x * 2", "x * 3")) != before


@pytest.mark.parametrize(
    "use",
    [
        "import pkg.sub.deep\ndef read(x): return pkg.sub.deep.scale(x)",
        "from pkg.sub import deep\ndef read(x): return deep.scale(x)",
        "def read(x):\n    import pkg.sub.deep\n    return pkg.sub.deep.scale(x)",
        "def read(x):\n    from pkg.sub import deep\n    return deep.scale(x)",
        "from pkg import relative as read",
    ],
)
def test_packages_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pkg/sub").mkdir(parents=True)
    (tmp_path / "pkg/__init__.py").write_text("def relative(x):\n    from .sub import deep\n    return deep.scale(x)")
    (tmp_path / "pkg/sub/__init__.py").touch()

    def with_body(body: str) -> str:
        (tmp_path / "pkg/sub/deep.py").write_text(f"import pkg\ndef scale(x):\n    return {body}")
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
            del sys.modules[name]
        return fingerprint_of(tmp_path / "dags", use)

    assert with_body("x * 2") == with_body("(x * 2)") != with_body("x * 3")


def install(site: Path, version: str, body: str, *, metadata: Path | None = None) -> None:
    """Put a package and its metadata where pip would put them."""
    importlib.invalidate_caches()
    sys.modules.pop("lib_import_name", None)
    (site / "lib_import_name").mkdir(parents=True, exist_ok=True)
    (site / "lib_import_name/__init__.py").write_text(f"def scale(x):\n    return {body}")
    beside = (metadata or site) / "other_name-1.dist-info"
    beside.mkdir(parents=True, exist_ok=True)
    (beside / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other-name\nVersion: {version}\n")
    (beside / "RECORD").write_text("" if metadata else "lib_import_name/__init__.py,,\n")


@pytest.mark.parametrize(
    "use",
    [
        "import lib_import_name\ndef read(x): return lib_import_name.scale(x)",
        "from lib_import_name import scale\ndef read(x): return scale(x)",
        "def read(x):\n    from lib_import_name import scale\n    return scale(x)",
        "from lib_import_name import scale as read",
    ],
)
def test_distributions_count_by_their_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")

    def with_version(version: str, body: str) -> str:
        install(tmp_path / "site", version, body)
        return fingerprint_of(tmp_path / "dags", use)

    before = with_version("1.0", "x")
    assert with_version("1.0", "x * 2") == before
    assert with_version("1.1", "x") != before


def test_editable_installs_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "checkout")
    monkeypatch.syspath_prepend(tmp_path / "site")
    use = "import lib_import_name\ndef read(x): return lib_import_name.scale(x)"

    def with_body(body: str) -> str:
        install(tmp_path / "checkout", "1.0", body, metadata=tmp_path / "site")
        return fingerprint_of(tmp_path / "dags", use)

    assert with_body("x") != with_body("x * 2")


def test_owners() -> None:
    already = set(sys.modules)
    owner = Origins().owner
    assert owner("numpy.linalg") == f"numpy {version('numpy')}"
    assert owner("skimage.io") == f"scikit-image {version('scikit-image')}"
    assert owner("os") == owner("os.path") == owner("json") == "Python {}.{}".format(*sys.version_info)
    assert owner("airflow.models.dag") == "airflow"
    assert owner("__main__") is owner("unusual_prefix_0_my_dag") is owner("") is None
    assert set(sys.modules) == already


def test_an_import_that_fails_is_no_error(tmp_path: Path) -> None:
    source = "def read(x):\n    import lib_that_is_nowhere\n    return lib_that_is_nowhere.f(x)"
    assert fingerprint_of(tmp_path / "a", source) == fingerprint_of(tmp_path / "b", source)
