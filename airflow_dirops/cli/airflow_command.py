"""``airflow dirops``: the command ``dirops`` among Airflow's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_airflow_commands() -> list[CLICommand]:
    """What Airflow adds to its commands; each of its commands asks, so that no more is imported."""
    from airflow.cli.cli_config import ActionCommand, Arg

    # One argument that takes all: argparse would refuse options that it does not know.
    rest = Arg(  # type: ignore[no-untyped-call]
        ("arguments",),
        nargs=argparse.REMAINDER,
        metavar="COMMAND ...",
        help="as after dirops: show, log, verify, ...; without any, they are listed; COMMAND --help explains one",
    )
    return [
        ActionCommand(
            name="dirops",
            help="Look after the directories that stages commit",
            description="Look after the directories that airflow-dirops stages commit: the command dirops.",
            func=_run,
            args=(rest,),
        )
    ]


def _run(arguments: argparse.Namespace) -> None:
    from airflow_dirops.cli.main import app

    app(arguments.arguments, prog_name="airflow dirops")
