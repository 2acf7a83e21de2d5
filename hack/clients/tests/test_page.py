"""The page at / in a browser: behind a password and a path, by keyboard, on a phone; what it draws is what is served."""

import math

import httpx
import pytest
import serving
from serving import FAR_AWAY, ORDINARY

SCALES = {"inlier": lambda r, g, b: b > r, "anomalous": lambda r, g, b: r > b}


@pytest.fixture
def page(server, open_page):
    return open_page(server.public + "/", auth=server.auth)


def score(page, row):
    """By the form."""
    for at, value in enumerate(row):
        page.tab.fill(f"#value-{at}", str(value))
    with page.tab.expect_response("**/explain") as answer:
        page.tab.get_by_role("button", name="Score").click()
    page.tab.locator("#verdict").wait_for()
    return answer.value.json()


def pixel(page, column, row):
    """A point of the boundary's grid, counted from the lower left."""
    return page.tab.evaluate(
        """([column, row]) => {
             const canvas = document.querySelector("#boundary canvas");
             return [...canvas.getContext("2d").getImageData(column, canvas.height - 1 - row, 1, 1).data].slice(0, 3);
           }""",
        [column, row],
    )


def test_it_opens_under_its_path_behind_a_password_and_asks_nobody_else(server, open_page, page):
    page.tab.get_by_role("heading", name=serving.MODEL).wait_for()
    information = httpx.get(server.http + "/model_information").json()
    assert information["revision"] in page.tab.inner_text("header")
    assert "979 rows" in page.tab.inner_text("#card")
    assert page.tab.locator("#histogram .threshold").count() == 1
    assert page.tab.locator("#boundary .boundary").count() == 1
    page.assert_clean()
    assert httpx.get(server.public + "/").status_code == 401
    without_slash = open_page(server.public, auth=server.auth)
    assert without_slash.response.url == server.public + "/"
    without_slash.assert_clean()


def test_its_links_lead_to_the_same_server(server, page):
    for link in page.tab.locator("nav a").all():
        url = link.evaluate("link => link.href")
        assert url.startswith(server.public + "/")
        assert httpx.get(url, auth=server.auth).status_code == 200


def test_the_form_scores_a_row_and_says_why(server, page):
    explained = score(page, FAR_AWAY)
    assert explained == httpx.post(server.http + "/explain", json=FAR_AWAY).json()
    result = page.tab.locator("#result")
    assert "Anomalous" in result.inner_text()
    assert f"severity {explained['severity']:.4g}" in result.inner_text()
    bars = result.get_by_role("listitem").all_inner_texts()
    largest = max(explained["contributions"], key=lambda one: one["contribution"])
    assert bars[0].startswith(largest["feature"]) and f"+{largest['contribution']:.4g}" in bars[0]
    score(page, ORDINARY)
    assert "Ordinary" in result.inner_text()
    page.assert_clean()


def test_what_is_no_number_is_said_and_marked(page):
    page.tab.fill("#value-1", "warm")
    page.tab.get_by_role("button", name="Score").click()
    assert page.tab.locator("#result").inner_text() == "sd needs a number."
    assert page.tab.get_attribute("#value-1", "aria-invalid") == "true"
    assert page.tab.evaluate("document.activeElement.id") == "value-1"
    page.assert_clean()


def test_the_server_s_own_refusal_is_shown(page):
    page.tab.fill("#value-0", "1e39")
    page.tab.get_by_role("button", name="Score").click()
    page.tab.get_by_text("expected a finite number").wait_for()
    assert page.tab.get_attribute("#value-0", "aria-invalid") == "true"


def test_the_boundary_has_the_colours_of_the_verdicts(server, page):
    grid = httpx.get(server.http + "/page/boundary", params={"across": 0, "upwards": 1}).json()
    columns, rows = grid["columns"], grid["rows"]
    assert 0 < sum(severity > 1 for severity in grid["severities"]) < columns * rows
    for cell in range(0, columns * rows, 97):
        column, row = cell % columns, cell // columns
        kind = "anomalous" if grid["severities"][cell] > 1 else "inlier"
        assert SCALES[kind](*pixel(page, column, row)), f"column {column}, row {row} is {kind}"
    page.assert_clean()


def test_a_click_on_the_boundary_scores_the_row_at_that_place(server, page):
    grid = httpx.get(server.http + "/page/boundary", params={"across": 0, "upwards": 1}).json()
    page.tab.locator("#boundary").scroll_into_view_if_needed()
    canvas = page.tab.locator("#boundary canvas").bounding_box()
    with page.tab.expect_response("**/explain") as answer:
        page.tab.mouse.click(canvas["x"] + canvas["width"] / 4, canvas["y"] + canvas["height"] / 4)
    clicked = [float(page.tab.input_value(f"#value-{at}")) for at in (0, 1)]
    for value, axis, part in [(clicked[0], grid["across"], 0.25), (clicked[1], grid["upwards"], 0.75)]:
        expected = axis["from"] + part * (axis["to"] - axis["from"])
        assert math.isclose(value, expected, abs_tol=0.01 * (axis["to"] - axis["from"]))
    assert answer.value.json() == httpx.post(server.http + "/explain", json=clicked).json()
    assert page.tab.locator("#row-on-boundary").count() == 1
    page.assert_clean()


def test_everything_can_be_done_by_keyboard(page):
    keyboard = page.tab.keyboard
    keyboard.press("Tab")
    assert page.tab.evaluate("document.activeElement.textContent") == "Skip to scoring a row"
    keyboard.press("Enter")
    keyboard.press("Tab")
    for value in FAR_AWAY:
        page.tab.evaluate("document.activeElement.select()")
        keyboard.type(str(value))
        keyboard.press("Tab")
    with page.tab.expect_response("**/explain"):
        keyboard.press("Enter")
    page.tab.locator("#verdict", has_text="Anomalous").wait_for()
    page.assert_clean()


def test_a_whole_row_can_be_pasted(page):
    page.tab.evaluate(
        """() => {
             const clipboardData = new DataTransfer();
             clipboardData.setData("text", "[26.9716, 0.5116]");
             byId("value-1").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
           }"""
    )
    assert [page.tab.input_value(f"#value-{at}") for at in (0, 1)] == ["26.9716", "0.5116"]


@pytest.mark.parametrize("width", [320, 360, 768, 1920])
def test_nothing_is_wider_than_the_screen(server, open_page, width):
    page = open_page(server.http + "/", size=(width, 800))
    score(page, FAR_AWAY)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    page.assert_clean()


def test_every_field_has_a_name_and_every_chart_a_description(page):
    for field in page.tab.locator("input, select, textarea").all():
        assert field.evaluate("field => field.labels.length") == 1
    for chart in page.tab.locator("#histogram svg, #boundary svg").all():
        assert chart.get_attribute("role") == "img"
        assert len(chart.get_attribute("aria-label")) > 30
    titles = page.tab.locator("h2").all_inner_texts()
    assert titles == ["Model", "Score a row", "Scores and the threshold", "Decision boundary", "Latest anomalies"]


def test_scores_are_counted_while_one_looks(server, page):
    before = page.tab.inner_text("#live-text")
    httpx.post(server.http + "/predictions", json=[ORDINARY] * 7)
    page.tab.wait_for_function("before => byId('live-text').textContent !== before", arg=before, timeout=20_000)
    assert page.tab.locator("#histogram .live").count() == 1
    page.assert_clean()


def test_anomalies_are_not_kept_unless_that_is_asked_for(server, page):
    httpx.post(server.http + "/prediction", json=FAR_AWAY)
    page.tab.reload(wait_until="networkidle")
    assert page.tab.locator("#recent table").count() == 0
    assert "recentVerdicts" in page.tab.inner_text("#recent-text")


@pytest.mark.parametrize("values", [False, True])
def test_the_latest_anomalies_are_shown_with_their_causes(start_server, open_page, values):
    server = start_server("--recent-verdicts", *["--recent-values"] * values)
    httpx.post(server.http + "/predictions", json=[ORDINARY, FAR_AWAY])
    page = open_page(server.public + "/", auth=server.auth)
    row = page.tab.locator("#recent tbody tr")
    row.wait_for(timeout=20_000)
    assert row.count() == 1
    causes = row.locator("td").last.inner_text()
    assert causes.startswith("mean = 26.97 (" if values else "mean (")
    assert "Of the pod " in page.tab.inner_text("#recent-text")
    page.assert_clean()


def test_many_anomalies_scroll_in_their_place(start_server, open_page):
    server = start_server("--recent-verdicts")
    httpx.post(server.http + "/predictions", json=[FAR_AWAY] * 150)
    page = open_page(server.http + "/")
    page.tab.locator("#recent tbody tr").nth(99).wait_for(timeout=20_000)
    assert page.tab.locator("#recent tbody tr").count() == 100
    assert page.tab.locator("#recent").bounding_box()["height"] < 400
    assert page.tab.get_attribute("#recent", "tabindex") == "0", "it can be reached by keyboard"
    page.assert_clean()


FIVE = """
apiVersion: anomaly-operator.io/v1alpha1
kind: AnomalyModel
metadata: {name: machine-temperature}
spec:
  features: [{name: a}, {name: b}, {name: c}, {name: "<b>d</b>"}, {name: e}]
  detector: {isolationForest: {trees: 20, sampleSize: 64}}
  training: {source: {inline: {csv: %s}}}
"""


@pytest.fixture(scope="module")
def five_features(tmp_path_factory):
    """A server of a model with five features, one of which has a name that looks like markup."""
    rows = [",".join(str((row * (7 + 6 * column)) % 101) for column in range(5)) for row in range(300)]
    csv = "a,b,c,<b>d</b>,e\\n" + "\\n".join(rows) + "\\n"
    scratch = tmp_path_factory.mktemp("five")
    (scratch / "model.yaml").write_text(FIVE % f'"{csv}"')
    model = serving.train(scratch / "model", scratch / "model.yaml")
    with serving.serve(model, scratch) as server:
        yield server


def test_any_two_of_many_features_can_be_chosen(five_features, open_page):
    page = open_page(five_features.http + "/")
    with page.tab.expect_response("**/page/boundary?*") as answer:
        page.tab.get_by_label("Across").select_option("<b>d</b>")
    grid = answer.value.json()
    assert (grid["across"]["feature"], grid["upwards"]["feature"]) == ("<b>d</b>", "b")
    page.tab.locator("#boundary text", has_text="<b>d</b>").wait_for()
    with page.tab.expect_response("**/page/boundary?*") as answer:
        page.tab.get_by_label("Upwards").select_option("<b>d</b>")
    grid = answer.value.json()
    assert (grid["across"]["feature"], grid["upwards"]["feature"]) == ("e", "<b>d</b>"), "two different ones"
    assert "other 3 features" in page.tab.inner_text("#boundary-text")
    assert page.tab.locator("main b").count() == 0, "names are text"
    page.assert_clean()
