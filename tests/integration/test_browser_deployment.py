"""What a person sees of a run in Prefect's UI, in headless Chromium. Screenshots are left in build/screenshots."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from flows.config.load import load_config
from tests.commands import CUT, REPOSITORY
from tests.prefect_server import PrefectServer, prefect_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = REPOSITORY / "build" / "screenshots"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrefectServer]:
    """With the deployments of prefect.yaml, but a small quickstart in a folder of the test's as the form's defaults."""
    overrides = [setting.removeprefix("--set=") for setting in CUT]
    config = load_config(REPOSITORY / "configs" / "quickstart.yaml", (*overrides, f"root={tmp_path / 'runs'}"))
    with prefect_server(tmp_path) as server:
        server.set_up()
        server.worker("cpu")
        server.change_defaults("serl/iteration", {"config": config.model_dump(mode="json"), "iterations": 1})
        yield server


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_deployment_in_the_browser(server: PrefectServer, page: Page) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def keep(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    deployment = server.ask("deployments/name/serl/iteration")["id"]
    page.goto(f"{server.url}/deployments/deployment/{deployment}/run")
    # Prefect's form does not tie its labels to its fields; each property is a box with both in it.
    fields = page.locator(".schema-form-property").filter(has_text="How many missing iterations to do")
    iterations = fields.first.get_by_role("spinbutton")
    expect(iterations).to_have_value("1")
    for said in ("Folder of the run under root.", "Every random choice of the run follows from it."):
        expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_text("Every random choice of the run follows from it.")).to_be_visible()
    keep("run-form")
    iterations.fill("2")
    page.get_by_role("button", name="Submit").click()

    expect(page.get_by_text("Completed").first).to_be_visible(timeout=300_000)
    page.get_by_role("link", name="quickstart: iterations 0-1 of 2").click()
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_role("tab", name="Task Runs").or_(page.get_by_text("Task Runs")).first.click()
    expect(page.get_by_text("iteration 1: sample_responses").first).to_be_visible()
    keep("flow-run")

    page.goto(f"{server.url}/artifacts/key/serl-quickstart-report")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    expect(page.get_by_role("heading", name="quickstart: iteration 1 of 2")).to_be_visible()
    results = page.locator("table").first
    expect(results.get_by_role("columnheader", name="pass@1")).to_be_visible()
    assert results.get_by_role("row").count() == 3  # names, iterations 0 and 1
    pictures = page.locator("article img, .markdown-renderer img")
    assert pictures.count() >= 2
    for picture in pictures.all():
        assert picture.evaluate("image => image.complete && image.naturalWidth") > 900
    keep("report")
    page.set_viewport_size({"width": 1280, "height": 9_000})  # the UI scrolls a part of the page: show all of it
    keep("report-whole")
