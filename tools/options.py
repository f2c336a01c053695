"""Write what says again what an option's definition says: signatures, docstrings, and tables of the documentation.

``python -m tools.options`` writes the files. In them only what has a definition is made; what else stands there stays.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from airflow_dirops.core.stage.option import REQUIRED, Option, Where
from airflow_dirops.core.stage.options import OPTIONS
from airflow_dirops.core.stage.policies import choices_of
from airflow_dirops.operators.arguments import ARGUMENTS, arguments_of

CHECKOUT = Path(__file__).resolve().parents[1]
OPERATORS = {
    "DirectoryReadOperator": "airflow_dirops/operators/directory_read.py",
    "StagedTransformOperator": "airflow_dirops/operators/staged_transform.py",
}
KEYWORDS = "airflow_dirops/core/stage/keywords.py"
GUIDE = "docs/airflow.md"
WIDTH = 120

_PARAM = re.compile(r"^    :param (\w+):.*\n(?:^        .*\n)*", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \|.*\n", re.MULTILINE)


def made() -> dict[Path, str]:
    """The files, as they must be."""
    operators: dict[str, Callable[[str], str]] = {
        path: lambda text, name=name: operator(text, name)  # type: ignore[misc]
        for name, path in OPERATORS.items()
    }
    makers = {KEYWORDS: keywords, **operators, GUIDE: guide}
    return {CHECKOUT / path: make((CHECKOUT / path).read_text()) for path, make in makers.items()}


def keywords(text: str) -> str:
    """The options as a type that says what keywords a function takes."""
    text = documented(text, "StageKeywords", OPTIONS.values())
    head, _, _ = text.rpartition('    """\n')
    return head + '    """\n\n' + "".join(f"    {each.name}: {each.type}\n" for each in OPTIONS.values())


def operator(text: str, name: str) -> str:
    """An operator, with the arguments that it shares with others: in its docstring, its signature, its attributes."""
    arguments = arguments_of(name)
    text = documented(text, name, arguments.values())
    init = next(node for node in members(text, name) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    lines = text.splitlines(keepends=True)
    own = [each for each in init.args.kwonlyargs if each.arg not in ARGUMENTS]
    first, last = init.args.kwonlyargs[0].lineno - 1, init.args.kwonlyargs[-1].lineno
    signature = [
        *(lines[each.lineno - 1] for each in own),
        *(f"        {each.name}: {spelled(each)}{default(each)},\n" for each in arguments.values()),
    ]
    start, *rest = [node for node in init.body if assigned(node) not in ARGUMENTS]
    body = [
        *lines[start.lineno - 1 : start.end_lineno],
        *(f"        self.{each} = {each}\n" for each in arguments),
        *(line for node in rest for line in lines[node.lineno - 1 : node.end_lineno]),
    ]
    between, after = lines[last : init.body[0].lineno - 1], lines[init.body[-1].end_lineno :]
    return "".join([*lines[:first], *signature, *between, *body, *after])


def guide(text: str) -> str:
    """The tables of arguments. A row of what has no definition stays, at the head of its table."""
    for where in filter(lambda each: each.is_in_dags, Where):
        before, heading, rest = text.partition(f"### {where.value}\n")
        rows = list(_ROW.finditer(rest[: rest.find("\n### ")]))
        own = [row[0] for row in rows if row[1] not in ARGUMENTS]
        defined = [table_row(each) for each in ARGUMENTS.values() if each.where is where]
        text = before + heading + rest[: rows[0].start()] + "".join([*own, *defined]) + rest[rows[-1].end() :]
    return text


def documented(text: str, name: str, options: Iterable[Option]) -> str:
    """A module, with the docstring of one of its classes made anew, as far as options have definitions."""
    options = list(options)
    defined = {each.name for each in options}
    (node,) = (each for each in ast.parse(text).body if isinstance(each, ast.ClassDef) and each.name == name)
    lines = text.splitlines(keepends=True)
    start, end = node.body[0].lineno - 1, node.body[0].end_lineno
    docstring = "".join(lines[start:end])
    own = [found[0] for found in _PARAM.finditer(docstring) if found[1] not in defined]
    said, _, _ = docstring.partition("    :param ")
    if not said.endswith("\n\n"):
        said = said.rstrip().removesuffix('"""') + "\n\n"
    return "".join([*lines[:start], said, *own, *map(entry, options), '    """\n', *lines[end:]])


def entry(option: Option) -> str:
    """An option in a docstring."""
    text = f":param {option.name}: {option.text}."
    return "".join(
        f"{line}\n"
        for line in wrap(
            text,
            WIDTH,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def table_row(option: Option) -> str:
    """An option in a table of the documentation."""
    text = option.text.replace("``", "`").replace("|", r"\|")
    sentences = [f"of `{option.of}`: {text}" if option.of else text]
    sentences += [f"See [{option.see}]({option.see})"] if option.see else []
    sentences += ["Templated"] if option.is_templated else []
    shown = "" if option.default is REQUIRED else f"`{literal(option.default)}` "
    return f"| `{option.name}` | {shown}| {'. '.join(sentences)} |\n"


def default(option: Option) -> str:
    return "" if option.default is REQUIRED else f" = {literal(option.default)}"


def literal(value: object) -> str:
    """A value as the code of this checkout is formatted."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def spelled(option: Option) -> str:
    """A type as readers of a signature want it: with its choices, and not with our name for them."""
    if not (choices := choices_of(option)):
        return option.type
    return f"Literal[{', '.join(map(literal, choices))}]{' | None' if option.type.endswith(' | None') else ''}"


def members(text: str, name: str) -> Iterator[ast.stmt]:
    (node,) = (each for each in ast.parse(text).body if isinstance(each, ast.ClassDef) and each.name == name)
    yield from node.body


def assigned(node: ast.stmt) -> str | None:
    """The attribute that a statement sets."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.attr if isinstance(target, ast.Attribute) else None


if __name__ == "__main__":
    for path, text in made().items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(CHECKOUT)}")
