"""GraphiQL as a person meets it: in headless Chromium, against the whole program on a simulated market, offline."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Page, Request, TimeoutError, async_playwright, expect
from running import Running, running_market
from servers import open_folder

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = [
    pytest.mark.skipif(
        not CHROMIUM, reason="no Chromium found on PATH: install chromium to test GraphiQL in a browser"
    ),
    pytest.mark.timeout(180),
    # Playwright's own transport leaves these behind when the driver ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SCREENSHOTS = Path(os.environ.get("CURVECAST_SCREENSHOTS", ROOT / "test-output"))
SECOND = 1_000
ATTEMPTS = 4
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Running]:
    with open_folder() as folder:
        async with running_market(folder) as running:
            yield running


class Opened:
    """A page, what it said on its console and which hosts it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(request.url.split("/")[2])


@pytest.fixture
async def opened(server: Running) -> AsyncIterator[Opened]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        opened = Opened(page)
        await page.goto(server.url)
        await expect(page.get_by_role("button", name=re.compile("Execute query"))).to_be_visible(timeout=30 * SECOND)
        yield opened
        await browser.close()


async def open_tab(page: Page, name: str) -> None:
    """Opens a tab as a person does: when the page shows a query, and until it shows that of the tab."""
    editor = page.locator(".graphiql-query-editor .view-lines")
    await expect(editor).to_contain_text(re.compile("query|subscription"), timeout=30 * SECOND)
    await page.get_by_role("tab", name=name).click()
    await expect(editor).to_contain_text(name, timeout=20 * SECOND)


async def run(page: Page) -> None:
    await stop(page)
    await page.get_by_role("button", name=re.compile("Execute query")).click()


async def stop(page: Page) -> None:
    """Stops what runs; a query may end by itself before the click."""
    running = page.get_by_role("button", name=re.compile("Stop query"))
    if await running.is_visible():
        with suppress(TimeoutError):
            await running.click(timeout=2 * SECOND)


async def run_until(page: Page, text: str) -> None:
    """Runs the query of the open tab until its answer holds `text`. GraphiQL notices the operation of a tab a moment
    after the tab is opened: who is faster runs the former one's, which may be a subscription."""
    for _ in range(ATTEMPTS):
        await run(page)
        try:
            await expect(page.locator(response(page))).to_contain_text(text, timeout=5 * SECOND)
        except AssertionError:
            continue
        return
    raise AssertionError(await page.locator(response(page)).inner_text())


def response(page: Page) -> str:
    return ".result-window .view-lines"


async def test_every_operation_of_the_folder_has_its_tab_and_the_data_is_told_to_be_simulated(opened: Opened) -> None:
    names = sorted(path.stem for path in (ROOT / "graphql" / "operations").glob("*.graphql"))
    tabs = await opened.page.get_by_role("tab").all_inner_texts()
    assert sorted(text.strip() for text in tabs if text.strip() in names) == names
    await expect(opened.page.get_by_role("status")).to_contain_text("SIMULATED")


async def test_a_query_tab_runs_with_variables_that_exist_and_shows_its_answer(opened: Opened) -> None:
    await open_tab(opened.page, "TokenOverview")
    await run_until(opened.page, "currentPrice")
    await expect(opened.page.locator(response(opened.page))).not_to_contain_text("errors")


async def test_a_live_subscription_shows_new_trades_until_it_is_stopped(opened: Opened) -> None:
    page = opened.page
    lines = page.locator(response(page))
    for _ in range(ATTEMPTS):  # a token may cease to trade between the look of the page and that of the user
        await open_tab(page, "LiveTrades")
        await run(page)
        with suppress(AssertionError):
            await expect(lines).to_contain_text("signature", timeout=8 * SECOND)
            break
        await page.evaluate("localStorage.clear()")
        await page.reload()
    await expect(lines).to_contain_text("signature")
    first = await lines.inner_text()
    await expect(lines).not_to_have_text(first, timeout=30 * SECOND)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / "graphiql-live.png")
    await page.get_by_role("button", name=re.compile("Stop query")).click()
    await expect(page.get_by_role("button", name=re.compile("Execute query"))).to_be_visible()


async def test_a_page_that_is_opened_again_still_has_its_tabs_with_their_variables(opened: Opened) -> None:
    page = opened.page
    variables = page.locator(".graphiql-editor-tool .view-lines").first
    await expect(variables).to_contain_text('"mint"', timeout=20 * SECOND)
    await open_tab(page, "TokenHolders")
    # GraphiQL keeps its state a moment after a change.
    await page.wait_for_function(
        """() => Object.entries(localStorage).some(([key, text]) =>
               key.endsWith("tabState") && JSON.parse(text).activeTabIndex > 0)"""
    )
    await page.reload()
    await expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text(
        "TokenHolders", timeout=20 * SECOND
    )
    await expect(variables).to_contain_text('"mint"', timeout=20 * SECOND)


async def test_the_documentation_and_the_field_explorer_open(opened: Opened) -> None:
    page = opened.page
    await page.get_by_role("button", name=re.compile("Documentation Explorer")).click()
    await page.locator(".graphiql-doc-explorer").get_by_role("link", name="Query", exact=True).click()
    await expect(page.get_by_text("Token by mint address; null when not indexed.")).to_be_visible(timeout=20 * SECOND)
    await page.get_by_role("button", name=re.compile("GraphiQL Explorer")).click()
    await expect(page.locator(".docExplorerWrap, .graphiql-explorer-root").first).to_be_visible()


async def test_the_page_asks_no_other_host_and_breaks_no_rule_of_its_policy(opened: Opened, server: Running) -> None:
    await open_tab(opened.page, "TokenOverview")
    await run_until(opened.page, "currentPrice")
    assert opened.hosts == {server.address}
    # GraphQL errors of a refused first run (see `run_until`) are reported there too.
    assert [problem for problem in opened.problems if "Content Security Policy" in problem] == []
