"""A page in headless Chromium that remembers its requests, console errors and exceptions."""

import os
from pathlib import Path
from urllib.parse import urlsplit

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Page:
    """`tab` is Playwright's page, already opened at the URL."""

    def __init__(self, tab, url):
        self.tab, self.origin = tab, urlsplit(url)[:2]
        self.requests, self.errors = [], []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.response = tab.goto(url, wait_until="networkidle")

    @property
    def foreign(self):
        """Requests to anywhere but the server itself."""
        local = ("data", "blob")
        return [u for u in self.requests if urlsplit(u)[0] not in local and urlsplit(u)[:2] != self.origin]

    def assert_clean(self):
        """Nothing was asked of anybody else, and nothing was complained of."""
        assert self.foreign == []
        assert self.errors == []

    def picture(self, name, top):
        """What is to be seen from this element downwards, as a file of the documentation: where $PICTURES says, else nowhere."""
        top.evaluate("element => element.scrollIntoView()")
        if folder := os.environ.get("PICTURES"):
            self.tab.screenshot(path=Path(folder) / name)
