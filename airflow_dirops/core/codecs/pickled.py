"""``pickle``: any Python object, for readers who trust whoever wrote it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from airflow_dirops.core.codecs.refusal import cannot_write

PROTOCOL = 5
_INSTEAD = "data without functions, locks or open files"
_MAX_TRIED = 1024**2
# Airflow imports a DAG file under a name that begins so; other processes cannot import that name.
_DAG_MODULE_PREFIX = "unusual_prefix_"


@dataclass(frozen=True, slots=True)
class PickleCodec:
    """Whatever can be pickled. Never a default, because reading it runs code that the file brings along.

    Equal objects can differ in their bytes: a pickle also records which parts are one and the same object,
    and sets have no order.
    """

    name: ClassVar[str] = "pickle"
    suffix: ClassVar[str] = ".pickle"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write an object; its class is written by name only, so the reader must be able to import it."""
        try:
            copy = _Copy(file)
            pickle.dump(value, copy, protocol=PROTOCOL)
        except (OSError, MemoryError):
            raise  # of the file, of the machine: not about the value
        except Exception as error:
            raise cannot_write("pickle", value, f"pickling failed ({error})", instead=_INSTEAD) from error
        if copy.content is not None:
            _check_reads_back(value, copy.content)

    def decode(self, file: BinaryIO) -> Any:
        """Read an object, and so run what the file says; the caller has made sure that it may."""
        try:
            return pickle.load(file)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith(_DAG_MODULE_PREFIX):
                raise _in_dag_file(error) from error
            raise


class _Copy:
    """Writes to a file, and keeps what is small enough to be tried."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.content: bytearray | None = bytearray()

    def write(self, content: Any) -> int:
        if self.content is not None:
            view = memoryview(content).cast("B")
            self.content = self.content + view if len(self.content) + view.nbytes <= _MAX_TRIED else None
        return self._file.write(content)


def _check_reads_back(value: Any, content: bytearray) -> None:
    """Many objects can be pickled and cannot be made again, such as exceptions with arguments of their own."""
    try:
        pickle.loads(content)
    except Exception as error:
        reason = f"its pickle cannot be read back ({type(error).__name__}: {error})"
        raise cannot_write("pickle", value, reason, instead=_INSTEAD) from error


def _in_dag_file(error: ModuleNotFoundError) -> ModuleNotFoundError:
    module = (error.name or "").removeprefix(_DAG_MODULE_PREFIX).partition("_")[2]
    return ModuleNotFoundError(
        f"the value needs a class of the DAG file {module!r}, which only that DAG's own tasks can import; "
        "move the class into a module on the Python path, then run the writing stage again",
        name=error.name,
    )
