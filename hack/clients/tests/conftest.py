"""What the tests share: servers (see serving.py) and a browser."""

import contextlib
import os

import pytest
from playwright.sync_api import sync_playwright

import serving
from browsing import FLAGS, Page


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory):
    return serving.train(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture(scope="session")
def start_server(model_directory, tmp_path_factory):
    """start_server("--flag", "value", base_path="/a", OTEL_…="…"): one more server, stopped when the tests end."""
    with contextlib.ExitStack() as running:

        def start(*flags, base_path="/", **environment):
            scratch = tmp_path_factory.mktemp("server")
            served = serving.serve(model_directory, scratch, *flags, base_path=base_path, **environment)
            return running.enter_context(served)

        yield start


@pytest.fixture(scope="session")
def server(start_server):
    """The usual server: `http` at the root, `public` under a base path."""
    return start_server(base_path=f"/demo/{serving.MODEL}")


# (of a module: while Playwright runs, its thread has an event loop, in which nobody else's asyncio.run works)
@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Debian's Chromium with a fresh profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=FLAGS, headless=True, chromium_sandbox=False
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """open_page(url, auth=…, size=…): a Page that notes what goes wrong in it; each in a context of its own."""
    with contextlib.ExitStack() as contexts:

        def open_page(url, auth=None, size=(1280, 800)):
            credentials = {"username": auth[0], "password": auth[1]} if auth else None
            viewport = {"width": size[0], "height": size[1]}
            context = chromium.new_context(http_credentials=credentials, viewport=viewport)
            contexts.callback(context.close)
            return Page(context.new_page(), url)

        yield open_page
