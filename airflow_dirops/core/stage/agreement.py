"""What of a stage's arguments has to go together, as far as they are known: a DAG file knows less than a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_dirops.core.errors import ArgumentRefused
from airflow_dirops.core.stage.functions import UserFunction
from airflow_dirops.core.stage.partitions import PartitionsLike
from airflow_dirops.core.stage.patterns import one_of

ROLES = ("read", "transform", "aggregate")


def check_agreement(given: Mapping[str, Any]) -> tuple[UserFunction, ...]:
    """Refuse arguments that contradict each other.

    :param given: a stage's arguments by name. What is left out is not known yet, and nothing is said of it.
    :returns: the functions among them, as far as it is known how they are called.
    :raises ArgumentRefused: with everything that does not go together.
    """
    if {"source", "join"} <= given.keys():
        _check_join(given["source"], given["join"])
        if "pattern" in given:
            _check_patterns(given["pattern"], given["source"], given["join"])
    functions = tuple(_functions(given))
    if findings := list(_contradictions(given, functions)):
        raise ArgumentRefused("this stage cannot run", findings)
    return functions


def checks_of(check: Any) -> tuple[UserFunction, ...]:
    """The functions that look at what was sealed.

    :param check: one, or several; None for none.
    :raises ArgumentRefused: if one of them cannot be called so.
    """
    several = check if isinstance(check, list | tuple) else [] if check is None else [check]
    checks = tuple(UserFunction(each, "check", 2) for each in several)
    for each in checks:
        if named := {"key", "path", "record"}.intersection(each.wanted):
            raise ArgumentRefused(
                f"check={each.name} asks for {', '.join(sorted(named))}, and looks at a whole snapshot: it gets that "
                "and the one before; for each record, give check=every_record(...) from airflow_dirops.core.checks"
            )
    return checks


def _check_join(source: Any, join: str | None) -> None:
    several = source if isinstance(source, list | tuple) else None
    if (several is not None) != (join is not None):
        raise ArgumentRefused(
            f"source={source!r} and join={join!r} do not fit: a list of sources needs join='inner', "
            "'outer' or 'strict', which match their files by key, and a single one none; or make a stage for each"
        )
    if several is not None and len(several) < 2:
        raise ArgumentRefused(f"join={join!r} needs at least two sources, and source={source!r}")
    if any(isinstance(one, PartitionsLike) for one in several or ()):
        raise ArgumentRefused(
            "join= matches directories, and one of its sources stands for several partitions; join those of each "
            "partition in a stage of its own, and roll its target up"
        )


def _check_patterns(pattern: Any, source: Any, join: str | None) -> None:
    if isinstance(pattern, str):
        return
    if not isinstance(pattern, list | tuple):
        raise ArgumentRefused(f"the pattern {pattern!r} cannot select files of a source; give a glob relative to it")
    if join is None:
        one = one_of(pattern) if pattern and all(isinstance(each, str) for each in pattern) else ""
        advice = f"write pattern={one!r}" if one else "write one, such as pattern='**/*.{png,jpg}'"
        raise ArgumentRefused(
            f"pattern={pattern!r} is a list, which is for joined sources, one for each; to read what "
            f"any of several patterns matches, {advice}"
        )
    if len(pattern) != len(source):
        raise ArgumentRefused(
            f"pattern={pattern!r} has {len(pattern)} patterns for {len(source)} sources; "
            "give one for each, or one for all"
        )


def _functions(given: Mapping[str, Any]) -> Iterator[UserFunction]:
    for role in ROLES:
        function = given.get(role)
        if role == "transform" and not {"source", "join"} <= given.keys():
            continue  # how many values it gets is not known
        if function is not None:
            values = len(given["source"]) if role == "transform" and given["join"] is not None else 1
            yield UserFunction(function, role, values)


def _contradictions(given: Mapping[str, Any], functions: tuple[UserFunction, ...]) -> Iterator[str]:
    yield from _contradictions_to_checks(given)
    lacks = {name for name in ROLES if name in given and given[name] is None}
    if given.get("max_failures") is not None and given.get("on_error") == "fail":
        yield "max_failures= is for on_error='quarantine'; with 'fail' the first file that fails ends it all"
    if given.get("batch_size") is not None and given.get("join") is not None:
        yield "batch_size= and join= do not go together yet: join in one stage, and take batches in the next"
    if given.get("batch_size") is not None and "transform" in lacks:
        yield "batch_size= is for a transform, which then gets a list of values"
    if given.get("join") is not None and given.get("read") and {"transform", "aggregate"} <= lacks:
        yield "join= is for a transform or an aggregate, which gets a value from each source"
    if given.get("aggregate") is not None:
        yield from _contradictions_to_aggregate(given, functions)


def _contradictions_to_checks(given: Mapping[str, Any]) -> Iterator[str]:
    if "check" not in given:
        return
    try:
        checks = checks_of(given["check"])
    except ArgumentRefused as error:
        yield str(error)
        return
    if given.get("publish") == "if_passed" and not checks:
        yield 'publish="if_passed" holds what does not pass its checks, and there are none; give check='


def _contradictions_to_aggregate(given: Mapping[str, Any], functions: tuple[UserFunction, ...]) -> Iterator[str]:
    if given.get("transform") is not None:
        yield "it has both transform= and aggregate=; call one from the other, or make two stages"
    if given.get("workers", 1) != 1 or given.get("file_timeout") is not None or given.get("file_retries"):
        yield "aggregate= is one call over all records: workers=, file_timeout= and file_retries= have no meaning"
    if given.get("shards") is not None:
        yield (
            "shards= is for work on one record after the other, and aggregate= is one call over all of them; give "
            "shards= to the stage that makes the records, and aggregate over its target without them"
        )
    if given.get("accept_code_change"):
        yield "accept_code_change= has nothing to keep, since aggregate= makes all or nothing; leave it out"
    if named := {"key", "path", "record"}.intersection(functions[-1].wanted):
        yield f"aggregate= has no {', '.join(sorted(named))} of its own; each record that it gets has"
