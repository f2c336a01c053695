"""Someone at the web UI: opens pages, fills in forms, presses buttons, reads, and takes screenshots."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

# Not selenium: this wheel has its driver in it, and waits for what a page has yet to show.
from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import FloatRect, FrameLocator, Locator, Page

FLAGS = (
    "--no-sandbox",  # Chromium has none for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH = 1280
LONGEST_SECONDS = 60
_HAS_TEXT = "text => document.body.innerText.replace(/\\s/g, '').includes(text.replace(/\\s/g, ''))"


class Visitor:
    """A browser window of its own at one Airflow.

    :param page: the window.
    :param url: where Airflow's api-server listens.
    :param screenshots: where to put them.
    """

    def __init__(self, page: Page, url: str, screenshots: Path) -> None:
        self.page, self.url, self.screenshots = page, url, screenshots

    @property
    def dialog(self) -> Locator:
        """What lies above the page."""
        return self.page.get_by_role("dialog")

    def open(self, *path: str) -> None:
        self.page.goto("/".join((self.url, *path)))

    @property
    def inside(self) -> FrameLocator:
        """What Airflow shows in a frame: the page of this package. Each look finds the document that is there then."""
        return self.page.frame_locator("iframe")

    def follow(self, link: str, *, within: str = "body") -> None:
        """Click on a link inside the frame, and wait until the page that it is on is left.

        :param within: which part of it, as a selector.
        """
        with self.leaving():
            self.inside.locator(within).get_by_role("link", name=link).first.click()

    def search(self, text: str) -> None:
        """Fill in the frame's field for a search, and wait until the page that it is on is left."""
        self.inside.get_by_role("searchbox").fill(text)
        with self.leaving():
            self.page.keyboard.press("Enter")

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Wait at the end until the frame's page is another: until then, the old one has fields and links too."""
        self.inside.locator("html").evaluate("html => html.dataset.old = 'yes'")
        yield
        expect(self.inside.locator("html[data-old]")).to_have_count(0, timeout=LONGEST_SECONDS * 1000)

    def press(self, button: str) -> None:
        """In the dialog, if there is one."""
        where = self.dialog if self.dialog.count() else self.page
        where.get_by_role("button", name=button, exact=True).click()

    def fill(self, field: str, text: str) -> None:
        """Fill in a field of the trigger form, whose labels Airflow does not tie to their fields.

        :param field: the name of the DAG's param.
        """
        self.dialog.locator(f"#element_{field}").fill(text)

    def switch_on(self, field: str) -> None:
        """Move a switch of the trigger form.

        :param field: the name of the DAG's param.
        """
        self.dialog.locator(f"input[name=element_{field}]").locator("xpath=..").click()

    def choose(self, option: str) -> None:
        """In the one list of the dialog that can be searched."""
        self.dialog.get_by_role("combobox").fill(option)
        self.page.keyboard.press("Enter")

    def unfold(self) -> None:
        """Open the first JSON that is folded up."""
        self.page.get_by_title("Click to expand the range.").first.click()

    def widen_grid(self) -> None:
        """At first it has room for two runs."""
        self.page.get_by_role("separator").press("ArrowRight")

    def enlarge_window(self, height: int) -> None:
        self.page.set_viewport_size({"width": WIDTH, "height": height})

    def sees(self, *texts: str) -> None:
        """Wait for texts. White space does not count: code is coloured and wrapped in pieces."""
        for text in texts:
            try:
                self.page.wait_for_function(_HAS_TEXT, arg=text)
            except TooLate:
                shown = self.page.locator("body").inner_text()
                raise AssertionError(f"{text!r} is not to be seen at {self.page.url}, but:\n{shown}") from None

    def sees_inside(self, *texts: str) -> None:
        """Wait for texts inside the frame, whose policy lets no function wait there."""
        deadline, shown = time.monotonic() + LONGEST_SECONDS, ""
        while time.monotonic() < deadline:
            shown = self.inside.locator("body").inner_text()
            missing = [text for text in texts if _squeezed(text) not in _squeezed(shown)]
            if not missing:
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{missing} is not to be seen at {self.page.url}, but:\n{shown}")

    def counts_inside(self, selector: str, number: int) -> None:
        """Wait until the frame has so many of something."""
        expect(self.inside.locator(selector)).to_have_count(number, timeout=LONGEST_SECONDS * 1000)

    def sees_pictures_inside(self, selector: str, number: int) -> None:
        """Wait for so many pictures in the frame, and for all of them to be shown."""
        self.counts_inside(selector, number)
        for position in range(number):
            picture = self.inside.locator(selector).nth(position)
            picture.scroll_into_view_if_needed()
            expect(picture).not_to_have_js_property("naturalWidth", 0, timeout=LONGEST_SECONDS * 1000)

    def shoot(self, name: str, part: Locator | None = None) -> None:
        """Take a screenshot of the window, or of a part of it, when nothing moves any more."""
        self.page.wait_for_load_state("networkidle")
        (part or self.page).screenshot(path=self.screenshots / f"{name}.png", animations="disabled")

    def shoot_top(self, name: str, height: int) -> None:
        """Take a screenshot of the upper part of the window."""
        self.page.wait_for_load_state("networkidle")
        clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        self.page.screenshot(path=self.screenshots / f"{name}.png", animations="disabled", clip=clip)


def _squeezed(text: str) -> str:
    return "".join(text.split())


@contextmanager
def visitor(chromium: str, url: str, screenshots: Path) -> Iterator[Visitor]:
    """Start a browser, with a profile of its own, and end it.

    :param chromium: its program.
    """
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=FLAGS) as browser:
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 740}, color_scheme="light", locale="en-US", timezone_id="UTC"
        )
        page.set_default_timeout(LONGEST_SECONDS * 1000)
        yield Visitor(page, url, screenshots)
