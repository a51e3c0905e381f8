"""Pictures in the room, in a real browser: shown, turned, described, and for its pages alone."""

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.pictures.sizes import SIZES
from content.picture import Calendar, Card
from tests.web.test_room import PHONE, Demo, OpenRoom, browser, demo, room

__all__ = ["browser", "demo", "room"]
pytestmark = pytest.mark.browser


def says(page: Page, words: str) -> Locator:
    """Say something and return the picture that comes."""
    before = page.locator(".picture").count()
    page.locator("#say").fill(words)
    page.locator("#say").press("Enter")
    shown = page.locator(".picture")
    expect(shown).to_have_count(before + 1)
    return shown.last


def is_drawn(picture: Locator) -> None:
    """Wait until a picture's bytes are there and as large as the page was told."""
    picture.evaluate("e => e.decode()")
    width = picture.evaluate("e => [e.naturalWidth, e.naturalHeight, e.width, e.height]")
    told = picture.evaluate("e => [+e.getAttribute('width'), +e.getAttribute('height')]")
    assert width[:2] == told
    assert abs(width[2] / width[3] - told[0] / told[1]) < 0.01, "not stretched"


def test_a_calendar_is_shown_with_its_words_and_turned(
    demo: Demo, room: OpenRoom, tmp_path: Path
) -> None:
    page = room(person=demo.person("member"), lang="zh")
    picture = says(page, "日历")
    is_drawn(picture)
    assert picture.evaluate("e => [e.naturalWidth, e.naturalHeight]") == list(SIZES[Calendar])
    assert "签到" in (picture.get_attribute("alt") or "")
    bubble = page.locator(".talks").last
    expect(bubble.locator(".body")).to_contain_text("连续")
    expect(bubble.locator(".body")).to_have_attribute("aria-hidden", "true")  # read out once
    address = picture.get_attribute("src")
    bubble.locator(".inline", has_text="◀").click()
    turned = page.locator(".talks").last.locator(".picture")
    expect(turned).not_to_have_attribute("src", address or "")
    is_drawn(turned)
    expect(page.locator(".talks").last.locator(".inline", has_text="▶")).to_be_visible()
    page.screenshot(path=tmp_path / "calendar.png")
    page.reload()
    is_drawn(page.locator(".picture").last)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_a_picture_fits_and_its_paper_stays_light(
    demo: Demo, room: OpenRoom, tmp_path: Path, scheme: str
) -> None:
    page = room(person=demo.person("member", 1), lang="en", viewport=PHONE, color_scheme=scheme)
    picture = says(page, "/me")
    is_drawn(picture)
    assert picture.evaluate("e => [e.naturalWidth, e.naturalHeight]") == list(SIZES[Card])
    box = picture.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert 240 <= box["width"] <= PHONE["width"] - box["x"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    at_the_end = "e => Math.abs(e.scrollHeight - e.clientHeight - e.scrollTop) < 2"
    assert page.locator("#log").evaluate(at_the_end), "the log has kept to its end"
    page.screenshot(path=tmp_path / f"card-{scheme}.png")


def test_a_picture_that_does_not_come_leaves_its_words(demo: Demo, room: OpenRoom) -> None:
    page = room(person=demo.person("member", 2), lang="zh", faults=True)
    page.route(re.compile(r"/room/picture/"), lambda route: route.abort())
    page.locator("#say").fill("名片")
    page.locator("#say").press("Enter")
    body = page.locator(".talks").last.locator(".body")
    expect(body).to_contain_text("名片")
    expect(body).not_to_have_attribute("aria-hidden", "true")
    expect(page.locator(".talks").last.locator(".picture")).to_have_count(0)


def fetched(demo: Demo, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{demo.address}{path}", headers=given)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), b""


def test_a_picture_is_for_its_chat_and_the_rooms_pages(demo: Demo, room: OpenRoom) -> None:
    one, other = demo.person("member"), demo.person("member", 1)
    page = room(person=one, chat="private", lang="zh")
    picture = says(page, "名片")
    is_drawn(picture)
    path = str(picture.get_attribute("src"))
    status, headers, png = fetched(demo, path)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert "immutable" in headers["cache-control"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert fetched(demo, path)[2] == png
    assert fetched(demo, path, Sec_Fetch_Site="cross-site")[0] == 403
    assert fetched(demo, path.replace(f"as={one}", f"as={other}"))[0] == 404
    assert fetched(demo, path.replace("chat=private", "chat=group"))[0] == 404
    for number in ("1", "9" * 20):
        assert fetched(demo, f"/room/picture/{number}?as={one}&chat=private")[0] == 404
    assert fetched(demo, f"/room/picture/x?as={one}")[0] == 422
