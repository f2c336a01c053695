"""The first stage: files of a directory through the user's ``read``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dirops.operators.stage import StageOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_dirops.core import Outcome


class DirectoryReadOperator(StageOperator):
    """Reads a directory file by file and commits what the user's function makes of it, as one snapshot.

    ::

        to_numpy = DirectoryReadOperator(
            task_id="to_numpy",
            source="raw/{partition}",
            target="interim/to_numpy/{partition}",
            read=read_image,
            pattern="**/*.png",
        )

    :param read: gets the path of a file; returns a value, ``(path, value)``, or None to skip the file; or
        yields ``(key, value)`` pairs. By keyword it gets what it names among key, path, record, params and
        partition.

    The other arguments are those of :class:`~airflow_dirops.operators.stage.StageOperator`.
    """

    shallow_copy_attrs: Sequence[str] = (*StageOperator.shallow_copy_attrs, "read")

    def __init__(self, *, read: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read
        self._check_own_arguments()

    def run_stage(self, **options: Any) -> Outcome:
        """Read the directory."""
        from airflow_dirops.core import read_directory

        return read_directory(read=self.read, **options)
