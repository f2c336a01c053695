"""How a function becomes a command: what is typed in front of it, what becomes of its errors behind it.

Exit codes: 0 when all is well, 1 when something was found that needs a person, 2 when the command failed.
"""

from __future__ import annotations

import inspect
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec

import typer

import airflow_dirops
from airflow_dirops.cli.output import Output, output_of, outputs
from airflow_dirops.cli.targets import Found, find_targets
from airflow_dirops.core import upkeep
from airflow_dirops.core.errors import DiropsError, ManifestMissing, StorageError
from airflow_dirops.core.format.manifest import FORMAT

P = ParamSpec("P")

FOUND, FAILED = 1, 2
_KILLED_BY = 128  # and the signal's number, as shells say it

app = typer.Typer(
    name="dirops",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOOKED_UP = "Looked up here, then below the root that paths in DAGs have (AIRFLOW__DIROPS__ROOT)."

Targets = Annotated[
    list[str], typer.Argument(metavar="TARGET", help=f"Directories that stages committed. {_LOOKED_UP}")
]
Target = Annotated[str, typer.Argument(help=f"The directory that a stage committed. {_LOOKED_UP}")]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="A folder stands for all the targets below it, at any depth.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"airflow-dirops {airflow_dirops.__version__} (manifests: {FORMAT})")  # noqa: T201 - a whole result
        raise typer.Exit


@app.callback()
def dirops(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and end.")
    ] = False,
) -> None:
    """Look after the directories that airflow-dirops stages commit, and see what a stage would do.

    Exit codes: 0 all is well, 1 something needs a person, 2 the command failed.
    """
    # Python has none where the shell has closed it, as ">&-" does.
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have every letter


def command(panel: str) -> Callable[[Callable[P, int]], Callable[P, None]]:
    """Register a function under its own name; what it returns is the exit code. It takes ``json``.

    :param panel: the part of the help that it is listed in.
    """

    def decorate(run: Callable[P, int]) -> Callable[P, None]:
        @wraps(run)
        def guarded(*args: P.args, **options: P.kwargs) -> None:
            try:
                with _warnings_on_stderr():
                    code = run(*args, **options)
                sys.stdout.flush()
            except DiropsError as error:
                output_of(json=bool(options["json"])).error(error.kind, str(error))
                code = FAILED
            except KeyboardInterrupt:
                code = _KILLED_BY + signal.SIGINT
            except BrokenPipeError:
                # Whoever read has enough, as in "dirops plan … | head".
                _print_nowhere()
                code = _KILLED_BY + signal.SIGPIPE
            except OSError as error:
                # Whatever else fails is an error of ours by now.
                _print_nowhere()
                output_of(json=False).error(StorageError.kind, f"the result could not be printed: {error.strerror}")
                code = FAILED
            raise typer.Exit(code)

        app.command(rich_help_panel=panel)(guarded)
        return guarded

    return decorate


def _print_nowhere() -> None:
    """What is still buffered must not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Results alone go to stdout, whoever imports Airflow, which logs there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    log = logging.getLogger("airflow_dirops")
    before, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before


def for_each_target(panel: str) -> Callable[[Callable[Concatenate[Path, Output, P], int]], Callable[..., None]]:
    """Register a function of one target as a command that takes any number, and folders of them.

    :param panel: as for :func:`command`.
    """

    def decorate(look: Callable[Concatenate[Path, Output, P], int]) -> Callable[..., None]:
        def run(targets: list[str], recursive: bool, json: bool, *args: P.args, **options: P.kwargs) -> int:
            def look_at(target: Path, output: Output) -> int:
                return look(target, output, *args, **options)

            return look_at_each(look_at, targets, recursive=recursive, json=json)

        return command(panel)(_with_signature(run, look))

    return decorate


def look_at_each(look: Callable[[Path, Output], int], typed: list[str], *, recursive: bool, json: bool) -> int:
    """Do one thing to every target that paths stand for; what cannot be done to one is told, and the rest goes on.

    :returns: the worst exit code.
    """
    worst = 0
    with outputs(json=json, several=recursive or len(typed) > 1) as output_for:
        for found in find_targets(typed, recursive=recursive):
            worst = max(worst, _look(look, found, output_for(found.place)))
    return worst


def _look(look: Callable[[Path, Output], int], found: Found, output: Output) -> int:
    try:
        return look(Path(found.checked()), output)
    except DiropsError as error:
        if found.error is None and isinstance(error, ManifestMissing):
            left = upkeep.what_is_left(found.place)
            error = error if str(error).endswith(left) else ManifestMissing(f"{error}{left}")
        output.error(error.kind, str(error))
        return FAILED


def _with_signature(run: Callable[..., int], look: Callable[..., int]) -> Callable[..., int]:
    """Give the command the options of the function that it calls, and the arguments that all such commands have."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(kind=keyword) for each in inspect.signature(look, eval_str=True).parameters.values()][2:]
    parameters = [
        inspect.Parameter("targets", keyword, annotation=Targets),
        *own,
        inspect.Parameter("recursive", keyword, annotation=Recursive, default=False),
        inspect.Parameter("json", keyword, annotation=AsJson, default=False),
    ]
    run.__name__, run.__doc__ = look.__name__, look.__doc__
    run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
