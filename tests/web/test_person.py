"""The page behind a member's link: looked at freely, downloaded three times, within a day."""

import io
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import Engine

from storage import downloads
from storage.db import Sql, Tx
from storage.programmes import MAIN
from tests.faults import house
from tests.web.live import Live, live

ZH = {"Accept-Language": "zh-CN,zh;q=0.9"}


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with live(engine, workers=1 if engine.dialect.name == "sqlite" else 2) as shop:
        yield shop
    assert [*tmp_path.glob("qunying-*.zip")] == []  # nothing is left behind


def _do(shop: Live, work) -> None:
    (outcome,) = house.worker(shop.engine).run([work])
    assert outcome.error is None, outcome.error


def _link(shop: Live, locale: str = "zh", *, age: timedelta = timedelta()) -> str:
    found: list[str] = []

    def make(tx: Tx) -> None:
        made = downloads.make(tx, MAIN, ("shop", "C-1"), locale, house.now() - age)
        found.append(downloads.token(tx, made))

    _do(shop, make)
    return f"{shop.url}/privacy/{found[0]}"


def test_the_page_offers_and_a_press_gives(shop: Live) -> None:
    url = _link(shop)
    for _ in range(5):  # a messenger looks as well
        page = httpx.get(url)
        assert page.status_code == 200
        assert "还能下载 3 次" in page.text
        assert '<form method="post">' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert httpx.head(url).status_code == 405
    answer = httpx.post(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    with ZipFile(io.BytesIO(answer.content)) as archive:
        raw = archive.read("member.json").decode()
        index = json.loads(archive.read("index.json"))
    assert "小明" in raw  # not escaped
    assert index["places"][0]["files"][0]["what"] == "你的名字、加入的时间、谁能看到你"


def test_the_fourth_time_there_is_nothing(shop: Live) -> None:
    url = _link(shop)
    assert [httpx.post(url).status_code for _ in range(5)] == [200, 200, 200, 410, 410]
    page = httpx.get(url)
    assert page.status_code == 410
    assert "已经用完" in page.text
    assert "<button" not in page.text


def test_after_a_day_there_is_nothing(shop: Live) -> None:
    url = _link(shop, age=timedelta(hours=24))
    for answer in (httpx.get(url, headers=ZH), httpx.post(url, headers=ZH)):
        assert answer.status_code == 404
        assert "已经过期" in answer.text


def test_an_altered_link_opens_nothing_and_uses_nothing_up(shop: Live) -> None:
    url = _link(shop, "en")
    start, _, signed = url.rpartition("-")
    for wrong in (f"{start}-{signed[::-1]}", f"{start}-", f"{url}0", f"{shop.url}/privacy/x",
                  f"{shop.url}/privacy/1-1-%00", f"{shop.url}/privacy/{'9' * 2000}"):  # fmt: skip
        for answer in (httpx.get(wrong), httpx.post(wrong)):
            assert answer.status_code == 404, wrong
            assert "小明" not in answer.text
    assert "3 downloads are left" in httpx.get(url).text


def test_two_windows_at_once_use_it_three_times(shop: Live) -> None:
    url = _link(shop)
    with ThreadPoolExecutor(6) as threads:
        answers = [*threads.map(lambda _: httpx.post(url, timeout=60).status_code, range(6))]
    assert sorted(answers) == [200, 200, 200, 410, 410, 410]


def test_events_do_not_wait_for_a_file(shop: Live) -> None:
    """A file of many movements is written while a shop tells of orders."""
    batch = [shop.event(order=f"B{n}", key=f"b{n}", amount_fen=100) for n in range(500)]
    shop.batch(*batch)
    url = _link(shop)
    with ThreadPoolExecutor(1) as threads:
        file = threads.submit(httpx.post, url, timeout=60)
        told = [shop.tell(order=f"C{n}", amount_fen=100).status_code for n in range(5)]
        assert file.result().status_code == 200
    assert told == [200] * 5


def test_when_the_member_has_gone_so_has_the_link(shop: Live) -> None:
    url = _link(shop)

    def gone(tx: Tx) -> None:
        downloads.forget(tx, ("shop", "C-1"))
        assert tx.one(Sql("SELECT 1 FROM download")) is None

    _do(shop, gone)
    assert httpx.get(url).status_code == 404
