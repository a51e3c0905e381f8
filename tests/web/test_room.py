"""The demo's room in a real browser: what a newcomer sees, presses and is told."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "bot", "demo", "--port"]
START_S = 60
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
STREAM = re.compile(r"/room/stream\?")
HOSTILE = [
    "<img src=x onerror=\"document.title='broken out'\"><b>粗体</b><script>alert(1)</script>",
    "مرحبا بالعالم هذا نص من اليمين إلى اليسار 123",
    "photo\u202egpj.exe",
    "长" * 2000,
    "x" * 4000,
    "😀" * 500,
    "\n".join(f"第 {line} 行" for line in range(200)),
    "Z\u0351\u036b\u0343" * 200,
]

pytestmark = pytest.mark.browser


@dataclass
class Demo:
    """A running demo and the ways to ask it without a browser."""

    address: str
    people: list[dict[str, Any]] = field(default_factory=list)

    def state(self, person: str = "", chat: str = "group") -> dict[str, Any]:
        query = urlencode({"as": person, "chat": chat, "lang": "zh"})
        with urllib.request.urlopen(f"{self.address}/room/state?{query}", timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Room": "1"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", data, headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def tomorrow(self) -> None:
        self.post("/room/clock", hours=24)

    def person(self, role: str, place: int = 0) -> str:
        return [person["id"] for person in self.people if person["role"] == role][place]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = tmp_path_factory.mktemp("demo") / "demo.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*DEMO, str(port)], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    running = Demo(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + START_S
        while not running.people:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the demo did not start:\n{said.read_text()[-4000:]}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                running.people = running.state()["people"]
            time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("Chromium is not installed: `make services` installs it")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield launched
        launched.close()


OpenRoom = Callable[..., Page]


@pytest.fixture
def room(demo: Demo, browser: Browser) -> Iterator[OpenRoom]:
    """Open pages of the room; none of them may complain, break its policy or leave the host."""
    contexts = []
    complaints: list[str] = []
    host = urlsplit(demo.address).netloc

    def watch(page: Page, *, faults: bool) -> None:
        def heard(kind: str, text: str) -> None:
            if kind in {"error", "warning"} and not (faults and "Failed to load" in text):
                complaints.append(f"{kind}: {text}")

        def asked(url: str) -> None:
            if urlsplit(url).scheme not in {"data", "blob"} and urlsplit(url).netloc != host:
                complaints.append(f"asked elsewhere: {url}")

        page.on("console", lambda message: heard(message.type, message.text))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked(request.url))

    def open_room(
        person: str,
        chat: str = "group",
        lang: str = "zh",
        *,
        faults: bool = False,
        before: Callable[[Page], None] | None = None,
        **options: Any,
    ) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        watch(page, faults=faults)
        if before:
            before(page)
        page.goto(f"{demo.address}/room?{urlencode({'as': person, 'chat': chat, 'lang': lang})}")
        expect(page.locator("#log")).to_have_attribute("aria-live", "polite")
        return page

    yield open_room
    for context in contexts:
        context.close()
    assert complaints == []


def write(page: Page, text: str) -> None:
    page.locator("#say").fill(text)
    page.locator("#say").press("Enter")


def bot_bubbles(page: Page) -> Locator:
    return page.locator(".talks:not(.own)").filter(has=page.locator(".bot-mark"))


def hears(page: Page, pattern: str, deed: Callable[[], None]) -> Locator:
    """Do the deed, and return the new answer of the bot, which must match the pattern."""
    before = bot_bubbles(page).count()
    deed()
    answer = bot_bubbles(page).nth(before)
    expect(answer.locator(".body")).to_have_text(re.compile(pattern))
    return answer


def own_confirmed(page: Page, text: str) -> None:
    bubble = page.locator(".talks.own").last
    expect(bubble.locator(".body")).to_have_text(text)
    expect(bubble.locator(".state-done")).to_be_visible()


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_check_in_points_and_board(demo: Demo, room: OpenRoom):
    demo.tomorrow()
    page = room(demo.person("member"))
    answer = hears(page, r"\+\d", lambda: write(page, "签到"))
    own_confirmed(page, "签到")

    answer.get_by_role("button", name="积分").click()
    toast = page.locator(".toast.private .toast-text")
    expect(toast).to_have_text(re.compile(r"\d"))
    page.locator(".toast").get_by_role("button").click()
    expect(toast).to_have_count(0)

    board = hears(page, "今日", lambda: answer.get_by_role("button", name="排行").click())
    board.locator(".inline", has_text="周榜").click()
    expect(board.locator(".body")).to_have_text(re.compile("本周"))
    board.locator(".inline", has_text="日").click()
    expect(board.locator(".body")).to_have_text(re.compile("今日"))


def test_second_check_in_of_a_day_gives_nothing(demo: Demo, room: OpenRoom):
    demo.tomorrow()
    page = room(demo.person("member"))
    hears(page, r"\+\d", lambda: write(page, "签到"))
    refusal = hears(page, "今天", lambda: write(page, "签到"))
    expect(refusal.locator(".body")).not_to_have_text(re.compile(r"\+\d"))


def test_streak_grows_with_the_days(demo: Demo, room: OpenRoom):
    page = room(demo.person("member", 1))
    demo.tomorrow()
    demo.tomorrow()
    hears(page, r"\+\d", lambda: write(page, "签到"))
    date = page.locator("#clock-date").inner_text()
    page.get_by_role("button", name="拨到明天").click()
    expect(page.locator("#clock-date")).not_to_have_text(date)
    expect(page.locator("#clock-shifted")).to_be_visible()
    hears(page, r"连续\D*2 天", lambda: write(page, "签到"))
    page.get_by_role("button", name="拨到明天").click()
    hears(page, r"连续\D*3 天", lambda: write(page, "签到"))
    expect(page.locator(".day").last).to_have_text("今天")


def test_stranger_joins_and_others_see_it(demo: Demo, room: OpenRoom):
    stranger = demo.person("stranger")
    name = next(person["name"] for person in demo.people if person["id"] == stranger)
    member = room(demo.person("member"))
    page = room(stranger)
    expect(page.locator("#say")).to_be_hidden()
    page.get_by_role("button", name="加入群聊").click()
    expect(page.locator("#say")).to_be_visible()
    expect(page.locator("#join")).to_be_hidden()
    box = page.locator("#say").bounding_box()
    assert box is not None
    assert box["height"] >= 40  # it was measured while nobody saw it
    expect(member.locator(".notice").filter(has_text=name).last).to_be_visible()
    write(page, "大家好")
    own_confirmed(page, "大家好")
    expect(member.locator(".body").last).to_have_text("大家好")


def test_hostile_texts_stay_texts(demo: Demo, room: OpenRoom):
    page = room(demo.person("member"))
    title = page.title()
    other = room(demo.person("owner"), lang="en", viewport=PHONE)
    for text in HOSTILE:
        write(page, text)
        own_confirmed(page, text)
    expect(other.locator(".body").last).to_have_text(HOSTILE[-1])
    for window in (page, other):
        assert window.locator("#column img, #column script, #column b").count() == 0
        assert fits(window)
        for bubble in window.locator(".talks .stack").all():
            assert bubble.evaluate("node => node.scrollWidth <= node.parentElement.clientWidth")
    assert page.title() == title
    other.locator(".expand").last.click()
    assert fits(other)


def test_hostile_names_stay_names(demo: Demo, room: OpenRoom):
    name = "<b onclick=alert(1)>恶\u202e名" + "阿" * 300
    reader, writer = demo.person("owner"), demo.person("member")
    state = demo.state(reader)

    def answer(route: Route) -> None:
        at = state["now"]
        common = {"at": at, "reply_to": None, "edited": False, "client": None}
        buttons = [[{"label": name, "data": "a"}, {"label": "好" * 60, "data": "b"}]]
        by = {"id": writer, "name": name, "kind": "person"}
        notice = {"id": "n", "name": "", "kind": "notice"}
        people = [{**person, "name": name} for person in state["people"]]
        messages = [
            {**common, "id": "1", "from": notice, "text": f"{name} 加入了", "buttons": []},
            {**common, "id": "2", "from": by, "text": "短", "buttons": buttons},
            {**common, "id": "3", "from": notice, "text": "-", "buttons": []},
            {**common, "id": "4", "from": by, "text": "答", "buttons": [], "reply_to": "2"},
        ]
        group = {"title": name, "members": 4}
        route.fulfill(json={**state, "people": people, "group": group, "messages": messages})

    for viewport in (PHONE, DESKTOP):
        page = room(
            reader,
            viewport=viewport,
            before=lambda page: page.route("**/room/state*", answer),
        )
        assert fits(page)
        assert page.locator(".name bdi").first.evaluate("e => getComputedStyle(e).unicodeBidi") == (
            "isolate"
        )
        page.locator("#me").click()
        expect(page.locator(".person")).to_have_count(len(state["people"]))
        box = page.locator("#people").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= viewport["width"]
        assert page.locator("main b, dialog b").count() == 0


def test_by_keyboard_alone(demo: Demo, room: OpenRoom):
    page = room(demo.person("member"))
    expect(page.locator("#say")).to_be_focused()
    keys = page.keyboard

    keys.type("第一行")
    keys.press("Shift+Enter")
    keys.type("第二行")
    keys.press("Enter")
    own_confirmed(page, "第一行\n第二行")

    keys.press("Shift+Tab")  # to the quick commands, which are one stop
    chips = page.locator("#chips button")
    expect(chips.first).to_be_focused()
    keys.press("ArrowRight")
    expect(chips.nth(1)).to_be_focused()
    assert chips.nth(1).evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    keys.press("ArrowLeft")
    keys.press("Tab")
    expect(page.locator("#say")).to_be_focused()

    page.locator("body").evaluate("() => document.activeElement.blur()")
    keys.press("Tab")
    for _ in range(12):
        if page.locator("#me").evaluate("e => e === document.activeElement"):
            break
        keys.press("Tab")
    expect(page.locator("#me")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#people")).to_be_visible()
    keys.press("Escape")
    expect(page.locator("#people")).to_be_hidden()
    expect(page.locator("#me")).to_be_focused()

    keys.press("Enter")
    here = page.locator(".person[aria-current]")
    expect(here).to_be_focused()
    keys.press("ArrowDown")
    name = page.locator(".person:focus .person-name").inner_text()
    keys.press("Enter")
    expect(page.locator("#me-name")).to_have_text(name)
    assert f"as={demo.person('member')}&" not in page.url


def test_input_method_keeps_its_enter(demo: Demo, room: OpenRoom):
    page = room(demo.person("member"), chat="private")
    page.locator("#say").fill("qian dao")
    sent = page.locator(".talks.own").count()
    page.locator("#say").evaluate(
        "box => box.dispatchEvent(new KeyboardEvent('keydown', "
        "{key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    expect(page.locator("#say")).to_have_value("qian dao")
    assert page.locator(".talks.own").count() == sent


def test_english_page(demo: Demo, room: OpenRoom):
    page = room(demo.person("member"), lang="en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    expect(page.get_by_role("log", name="Messages")).to_be_visible()
    page.get_by_role("link", name="切换到中文").click()
    expect(page.get_by_role("textbox", name="输入消息")).to_be_visible()
    assert f"as={demo.person('member')}" in page.url


def test_two_windows_meet(demo: Demo, room: OpenRoom):
    one, other = room(demo.person("member")), room(demo.person("owner"))
    write(one, "听得见吗?")
    expect(other.locator(".body").last).to_have_text("听得见吗?")
    write(other, "听得见!")
    expect(one.locator(".body").last).to_have_text("听得见!")


def test_private_chat_is_private(demo: Demo, room: OpenRoom):
    one = room(demo.person("member"), chat="private")
    other = room(demo.person("member", 1), chat="private")
    write(one, "只对你说")
    own_confirmed(one, "只对你说")
    other.locator('.chat[data-chat="group"]').click()
    expect(other.locator('.chat[data-chat="group"]')).to_have_attribute("aria-current", "page")
    expect(other.locator("#log")).to_have_attribute("aria-live", "polite")
    expect(other.locator(".body", has_text="只对你说")).to_have_count(0)
    other.go_back()
    expect(other.locator("#app")).to_have_attribute("data-chat", "private")


def test_reader_of_old_messages_is_not_moved(demo: Demo, room: OpenRoom):
    writer = room(demo.person("owner"))
    for line in range(4):
        write(writer, f"{line}\n" * 12)
        own_confirmed(writer, f"{line}\n".rstrip() + f"\n{line}" * 11)
    reader = room(demo.person("member"))
    pill = reader.locator("#pill")
    expect(pill).to_be_hidden()
    reader.locator("#log").evaluate("log => log.scrollTo(0, 0)")
    expect(pill).to_be_visible()
    write(writer, "新消息")
    expect(pill).to_have_text("1 条新消息")
    assert reader.locator("#log").evaluate("log => log.scrollTop") == 0
    pill.click()
    expect(pill).to_be_hidden()
    expect(reader.locator(".body").last).to_be_in_viewport()


def test_failed_message_is_retried_under_its_name(demo: Demo, room: OpenRoom):
    page = room(demo.person("member"), faults=True)
    clients = []

    def refuse(route: Route) -> None:
        clients.append(route.request.post_data_json["client"])
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": "有点忙,请稍后。"})

    page.route("**/room/say", refuse, times=1)
    write(page, "再来一次")
    expect(page.locator(".trouble")).to_contain_text("有点忙")
    with page.expect_request("**/room/say") as retried:
        page.get_by_role("button", name="重试").click()
    clients.append(retried.value.post_data_json["client"])
    own_confirmed(page, "再来一次")
    expect(page.locator(".trouble")).to_have_count(0)
    assert len(clients) == 2
    assert clients[0] == clients[1]


def test_lost_line_is_said_and_mended(demo: Demo, room: OpenRoom):
    page = room(
        demo.person("member"),
        faults=True,
        before=lambda page: page.route(STREAM, lambda route: route.abort(), times=3),
    )
    expect(page.locator("#banner")).to_contain_text("连接断了")
    expect(page.locator("#banner")).to_be_empty(timeout=15_000)
    other = room(demo.person("owner"))
    write(other, "线又通了")
    expect(page.locator(".body").last).to_have_text("线又通了")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("role", ["member", "stranger"])
def test_fits_a_narrow_phone(demo: Demo, room: OpenRoom, lang: str, role: str):
    person = next((p["id"] for p in demo.state()["people"] if p["role"] == role), None)
    page = room(person or demo.person("stranger"), lang=lang, viewport=PHONE, color_scheme="dark")
    assert fits(page)
    for control in page.locator("a, button, textarea").all():
        if control.is_visible() and not control.evaluate("e => e.matches('.skip, .chip, .inline')"):
            box = control.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_clock_stands_beside_the_tabs_on_the_narrowest_phone(
    demo: Demo, room: OpenRoom, lang: str
):
    page = room(demo.person("member"), lang=lang, viewport={"width": 320, "height": 640})
    assert fits(page)
    tabs = [tab.bounding_box() for tab in page.locator(".chat").all()]
    clock = page.locator(".clock-face").bounding_box()
    assert clock is not None
    assert len(tabs) == 2
    assert all(tab is not None and tab["x"] + tab["width"] <= clock["x"] for tab in tabs)


def test_policy_forbids_inline_and_foreign_code(demo: Demo):
    with urllib.request.urlopen(f"{demo.address}/room", timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = answer.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|\son\w+=|<style", page)
    scripts = re.findall(r"<script[^>]*>", page)
    assert all("src=" in tag or "application/json" in tag for tag in scripts)


def test_every_word_of_the_page_stands_in_both_languages():
    tables = {
        lang: tomllib.loads((ROOT / f"content/texts/room.{lang}.toml").read_text("utf-8"))
        for lang in ("zh", "en")
    }
    assert tables["zh"].keys() == tables["en"].keys()
    scripts = "".join(
        path.read_text("utf-8") for path in (ROOT / "bot/web/static/room").glob("*.js")
    )
    template = (ROOT / "bot/web/templates/room.html").read_text("utf-8")
    used = set(re.findall(r"strings\.(\w+)", template))
    assert used <= tables["zh"].keys()
    scripts += (ROOT / "bot/web/room.py").read_text("utf-8")
    built = ("role_", "toast_", "empty_")  # keys that a script puts together
    for key in tables["zh"].keys() - used:
        assert f'"{key}"' in scripts or key.startswith(built), key
    assert set(re.findall(r'say\("(\w+)"', scripts)) <= tables["zh"].keys()
