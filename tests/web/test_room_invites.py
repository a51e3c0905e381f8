"""An invitation in the room, in a real browser: a stranger follows it, comes in, and is known."""

import pytest
from playwright.sync_api import expect

from tests.web.test_room import Demo, OpenRoom, browser, demo, hears, room, write

__all__ = ["browser", "demo", "room"]
pytestmark = pytest.mark.browser


def test_a_stranger_follows_a_members_link(demo: Demo, room: OpenRoom) -> None:
    page = room(person=demo.person("member"), lang="zh")
    page.locator("#chats [data-chat=private]").click()
    answer = hears(page, "的邀请", lambda: write(page, "邀请"))
    link = answer.locator("a.inline")
    url = link.get_attribute("href") or ""
    assert "/room?start=ref_" in url
    with page.context.expect_page() as opened:
        link.click()
    guest = opened.value
    expect(guest.locator("#app")).to_have_attribute("data-chat", "private")
    way = guest.locator("a.inline").last
    expect(way).to_be_visible()
    assert "chat=group" in (way.get_attribute("href") or "")
    assert f"as={demo.person('stranger')}" in (way.get_attribute("href") or "")
    with guest.context.expect_page() as group:
        way.click()
    group.value.locator("#join-button").click()
    expect(group.value.locator("#join")).to_be_hidden()
