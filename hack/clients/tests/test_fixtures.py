"""The servers and the browser that the other tests stand on."""

import httpx

from serving import FAR_AWAY, ORDINARY


def test_both_ports_score_and_only_public_asks_for_a_password(server):
    for row, inlier in [(ORDINARY, True), (FAR_AWAY, False)]:
        assert httpx.post(server.http + "/prediction", json=row).json() == {"is_inlier": inlier}
        assert httpx.post(server.public + "/prediction", json=row, auth=server.auth).json() == {"is_inlier": inlier}
    assert httpx.post(server.public + "/prediction", json=ORDINARY).status_code == 401


def test_a_browser_logs_in_with_the_password(server, open_page):
    page = open_page(server.public + "/model_information", auth=server.auth)
    assert page.response.status == 200
    assert page.foreign == []
