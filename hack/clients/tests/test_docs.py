"""/docs in a browser: it opens behind a password and a path, asks nobody else, and scores a row."""

import json

import httpx
from serving import MODEL


def open_operation(page, path):
    block = page.tab.locator(".opblock", has=page.tab.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary").click()
    return block


def test_the_page_opens_under_its_path_without_asking_anybody_else(server, open_page):
    page = open_page(server.public + "/docs", auth=server.auth)
    page.tab.get_by_role("heading", name=f"Anomalies of {MODEL}").wait_for()
    described = httpx.get(server.http + "/openapi.json").json()["paths"]
    operations = {"/healthz", "/readyz", "/metrics"}
    shown = {block.get_attribute("data-path") for block in page.tab.locator(".opblock-summary-path").all()}
    assert shown == described.keys() - operations
    page.assert_clean()


def test_try_it_out_scores_a_row(server, open_page):
    page = open_page(server.public + "/docs", auth=server.auth, size=(1200, 1380))
    block = open_operation(page, "/prediction")
    block.get_by_role("button", name="Try it out").click()
    block.locator("select").first.select_option("true")
    block.locator("textarea").fill("[26.9716, 0.5116]")
    with page.tab.expect_response("**/prediction?score=true") as answer:
        block.get_by_role("button", name="Execute").click()
    expected = httpx.post(server.http + "/prediction?score=true", json=[26.9716, 0.5116]).json()
    assert answer.value.json() == expected
    assert expected["is_inlier"] is False
    shown = block.locator(".live-responses-table .response-col_description pre").first
    assert json.loads(shown.inner_text()) == expected
    page.picture("docs.png", top=block)
    page.assert_clean()


def test_the_example_that_is_offered_is_answered(server, open_page):
    page = open_page(server.http + "/docs")
    block = open_operation(page, "/predictions")
    block.get_by_role("button", name="Try it out").click()
    with page.tab.expect_response("**/predictions?*") as answer:
        block.get_by_role("button", name="Execute").click()
    assert answer.value.status == 200
    assert len(answer.value.json()["predictions"]) == 2
    page.assert_clean()


def test_files_are_sent_packed_or_not_and_only_once(server):
    url = server.http + "/docs/swagger-ui-bundle.js"
    packed = httpx.get(url, headers={"accept-encoding": "gzip"})
    plain = httpx.get(url, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    again = httpx.get(url, headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_may_load_nothing_from_elsewhere(server):
    policy = httpx.get(server.http + "/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
