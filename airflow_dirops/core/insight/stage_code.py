"""What the stages of some files make their outputs with, as one process tells it to another."""

from __future__ import annotations

import msgspec

from airflow_dirops.core.format.code import Code


class StageCode(msgspec.Struct, frozen=True):
    """What one stage makes its outputs with.

    :param stage: its name.
    :param code: None where only a run can tell.
    :param why: then, the reason.
    """

    stage: str
    code: Code | None
    why: str = ""


class StageCodes(msgspec.Struct, frozen=True):
    """What all stages of some files do.

    :param errors: of the files that cannot be imported, by path.
    """

    stages: list[StageCode]
    errors: dict[str, str]

    @property
    def known(self) -> dict[str, Code]:
        """The code of the stages of which it is known, by their names."""
        return {each.stage: each.code for each in self.stages if each.code is not None}

    @property
    def unknown(self) -> dict[str, str]:
        """Why it is not known, by the names of the other stages."""
        return {each.stage: each.why for each in self.stages if each.code is None}

    @property
    def names(self) -> set[str]:
        """Of all stages."""
        return {each.stage for each in self.stages}
