"""The documentation's pages, taken apart: snippets, tables, links, and words in code type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(
    r"^(?:<!-- quoted: (?P<quoted>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Snippet:
    """A fenced block.

    :param line: of its first line in the page.
    :param quoted: the file and the marker that it is a copy of.
    """

    page: Path
    line: int
    language: str
    text: str
    quoted: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"

    def run(self, namespace: dict[str, object]) -> None:
        """As Python, with the page's line numbers."""
        exec(compile("\n" * (self.line - 1) + self.text, str(self.page), "exec"), namespace)


@dataclass(frozen=True)
class Page:
    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(CHECKOUT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def snippets(self) -> tuple[Snippet, ...]:
        return tuple(
            Snippet(
                page=self.path,
                line=self.text.count("\n", 0, found.start("text")) + 1,
                language=found["language"],
                text=found["text"],
                quoted=found["quoted"],
            )
            for found in _FENCE.finditer(self.text)
        )

    @cached_property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def code(self) -> list[str]:
        """What stands in code type in the running text."""
        return _CODE.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        titles = (re.sub(r"[^\w\- ]", "", title.lower()) for _, title in _HEADING.findall(self.prose))
        return {title.strip().replace(" ", "-") for title in titles}

    def python(self) -> Iterator[Snippet]:
        """What runs one after the other in one namespace."""
        return (each for each in self.snippets if each.language == "python" and each.quoted is None)

    def commands(self) -> Iterator[str]:
        """Lines for a shell, without comments."""
        for snippet in self.snippets:
            if snippet.language == "sh":
                yield from filter(None, (line.partition(" #")[0].strip() for line in snippet.text.splitlines()))

    def table(self, heading: str, number: int = 0) -> list[list[str]]:
        """The rows of a table below a heading, without the table's own head."""
        section = re.split(rf"^#+ {re.escape(heading)}$", self.text, flags=re.MULTILINE)[1]
        section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
        tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
        return [[cell.strip() for cell in row[1:-1].split("|")] for row in _rows(tables[number])]


def _rows(table: str) -> list[str]:
    return [row.strip() for row in table.splitlines()[2:]]


def code_in(cell: str) -> list[str]:
    """The words in code type of a table's cell."""
    return _CODE.findall(cell)


def page(path: str) -> Page:
    return Page(CHECKOUT / path)


def pages() -> list[Page]:
    top = [CHECKOUT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [Page(path) for path in (*top, *sorted((CHECKOUT / "docs").rglob("*.md")))]
