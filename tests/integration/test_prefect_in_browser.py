"""What a person sees of a run in Prefect's UI, in headless Chromium. Screenshots are left in build/screenshots."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.commands import HANG_SECONDS, REPOSITORY
from tests.helpers import fake_config
from tests.integration.conftest import SharedServer
from tests.prefect_server import PrefectServer, as_parameter

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = REPOSITORY / "build" / "screenshots"

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]


@pytest.fixture
def server(shared_server: SharedServer, tmp_path: Path) -> Iterator[PrefectServer]:
    """With the deployments of prefect.yaml, but a run on the fake engine as the form's defaults."""
    config = fake_config(tmp_path, name="seen")
    server = shared_server.prefect
    shared_server.start_worker()
    defaults = server.ask("deployments/name/serl/iteration")["parameters"]
    server.change_defaults("serl/iteration", {"config": as_parameter(config), "iterations": 1})
    yield server
    server.change_defaults("serl/iteration", defaults)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1_000 * HANG_SECONDS)
        expect.set_options(timeout=1_000 * HANG_SECONDS)
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

    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_role("link", name="seen: iterations 0-1 of 2").click()
    expect(page.get_by_text("Completed").first).to_be_visible()
    page.get_by_role("tab", name="Task Runs").or_(page.get_by_text("Task Runs")).first.click()
    expect(page.get_by_text("iteration 1: sample_responses").first).to_be_visible()
    keep("flow-run")

    page.goto(f"{server.url}/artifacts/key/serl-seen-report")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    expect(page.get_by_role("heading", name="seen: iteration 1 of 2")).to_be_visible()
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
