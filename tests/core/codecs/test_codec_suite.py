"""The suite that authors of codecs subclass finds what it is made to find."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


BROKEN_CODECS = """
import itertools, json, pickle
from airflow_dirops.core.errors import EncodeError
from airflow_dirops.testing.codecs import CodecTests

class Sound:
    name, suffix = "sound", ".sound"
    def encode(self, value, file):
        if not isinstance(value, list):
            raise EncodeError(f"cannot write a {type(value).__name__}. Use a list.")
        file.write(json.dumps(value).encode())
    def decode(self, file):
        return json.load(file)

class Base(CodecTests):
    def examples(self): return [[1, 22, 333]]
    def refused(self): return ["text"]

class TestSound(Base):
    codec = Sound

class TestSuffix(Base):
    class codec(Sound):
        suffix = "sound/x"

class TestLossy(Base):
    class codec(Sound):
        def decode(self, file): return sorted(json.load(file), reverse=True)

class TestSeeks(Base):
    class codec(Sound):
        def encode(self, value, file): file.seek(0); super().encode(value, file)

class TestClosesWritten(Base):
    class codec(Sound):
        def encode(self, value, file): super().encode(value, file); file.close()

class TestClosesRead(Base):
    class codec(Sound):
        def decode(self, file):
            with file: return json.load(file)

class TestRestless(Base):
    class codec(Sound):
        count = itertools.count()
        def encode(self, value, file): super().encode(value, file); file.write(b" " * next(self.count))

class TestGuesses(Base):
    class codec(Sound):
        def decode(self, file):
            text = file.read().decode()
            return json.loads(text if text.endswith("]") else text.rstrip(", ") + "]") if text else []

class TestUnframedGuesses(TestGuesses):
    framed = False

class TestTakesAll(Base):
    class codec(Sound):
        def encode(self, value, file): file.write(json.dumps(value).encode())

class TestMumbles(Base):
    class codec(Sound):
        def encode(self, value, file):
            if not isinstance(value, list): raise EncodeError("no")
            super().encode(value, file)

class TestStateful(Base):
    class codec(Sound):
        def encode(self, value, file):
            import time
            self.file = file; time.sleep(0.001); super().encode(value, self.file)

class TestParentOnly(Base):
    class codec(Sound):
        def __init__(self): import os; self.pid = os.getpid()
        def encode(self, value, file):
            import os
            if os.getpid() != self.pid: raise RuntimeError("not the process that made me")
            super().encode(value, file)
"""


def test_the_suite_finds_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text(BROKEN_CODECS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-rf",
        "--tb=no",
        "test_broken.py",
    ]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    failed = {line.split("::", 1)[1].split("[")[0].split(" ")[0] for line in report.splitlines() if "FAILED" in line}
    assert not [name for name in failed if name.startswith("TestSound")], report
    assert failed >= {
        "TestSuffix::test_name_and_suffix_can_be_used",
        "TestLossy::test_a_value_comes_back",
        "TestSeeks::test_a_value_comes_back",
        "TestClosesWritten::test_the_file_is_left_open",
        "TestClosesRead::test_the_file_is_left_open",
        "TestRestless::test_a_value_gives_the_same_bytes_each_time",
        "TestGuesses::test_a_cut_file_is_not_taken_for_another_value",
        "TestGuesses::test_an_empty_file_is_no_value",
        "TestUnframedGuesses::test_a_cut_file_is_not_taken_for_another_value",
        "TestTakesAll::test_a_value_it_cannot_write_is_refused",
        "TestMumbles::test_a_value_it_cannot_write_is_refused",
        "TestStateful::test_threads_can_share_it",
        "TestParentOnly::test_forked_workers_can_share_it",
    }, report
