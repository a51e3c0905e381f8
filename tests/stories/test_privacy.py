"""A member looks at what is kept, and chooses: who sees him, what he agrees to, how old he is."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import pytest
from msgspec import structs

from bot.person_file import write_of
from content.message import Reply
from content.privacy import PURPOSES, VERSIONS
from content.texts import texts
from handlers.event import Chat, Mention
from storage import about, ages, consents, downloads, members
from storage.db import Tx, open_engine, reading
from storage.members import Who
from storage.programmes import MAIN
from tests.stage import Stage
from tests.stories.test_erasure import _all, _me, _with
from tests.stories.test_gifts import _known, _offered
from tests.stories.test_makeup import _buttons, _labels, _publish

PUBLIC = "https://bot.example.com"


@pytest.fixture
def camp(stage: Stage) -> Stage:
    _known(stage, "小明", "小红", days=16)
    return stage


@pytest.fixture
def yard(room: Stage) -> Stage:
    _known(room, "小明", "小红", days=16)
    return room


def _page(stage: Stage, who: str = "小明", words: str = "隐私") -> Reply:
    stage.says(who, words, private=True)
    (reply,) = stage.replies()
    return reply


def _has(stage: Stage, purpose: Any, who: str = "小明") -> bool:
    with reading(stage.engine) as tx:
        return consents.has(tx, MAIN, _me(tx, stage, who), purpose)


def test_the_page_says_what_is_kept_and_offers_choices(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.replies()
    page = _page(stage)
    assert page.text.startswith("🔐 小明，你的资料你做主\n我记着：名字和平台编号")
    assert "聊天内容不存" in page.text
    assert "下面的选择对这里都算数：露营群" in page.text
    assert "群友可见：群友看得到我的名字和名次" in page.text
    assert page.text.count("◻️") == 3
    assert "年龄段：没填" in page.text
    assert _labels(page) == ["公开", "✅ 群友可见", "私密", "兴趣", "私信", "推荐",
                             "🎂 年龄", "📦 导出", "🗑 删除"]  # fmt: skip


@pytest.mark.parametrize("words", ["隐私", "隐私 导出", "隐私 删除", "隐私 年龄", "/privacy"])
def test_in_the_group_nothing_is_told(yard: Stage, words: str) -> None:
    yard.says("小明", words)
    (reply,) = yard.replies()
    assert "请私聊我发「隐私」" in reply.text
    assert reply.private
    assert "小明" not in reply.text


def test_strangers_have_nothing_here(yard: Stage) -> None:
    for words in ("隐私", "隐私 导出", "隐私 删除", "隐私 同意 兴趣"):
        yard.says("路人", words, private=True)
        assert yard.heard() == "我这里没有你的资料 🌱"


@pytest.mark.parametrize(
    "words", ["隐私 ???", "隐私 同意", "隐私 同意 一切", "隐私 撤回 x", "隐私 年龄 99999",
              "/privacy zz", "隐私 \u202e反", "隐私 " + "长" * 300]
)  # fmt: skip
def test_what_means_nothing_is_answered_with_the_forms(yard: Stage, words: str) -> None:
    (outcome,) = yard.says("小明", words, private=True)
    assert outcome.state == "refused"
    assert "可以这样发：\n隐私 公开" in yard.heard()


# -- who sees him --------------------------------------------------------------------------------


def test_who_is_private_is_on_no_board_and_not_found_by_name(yard: Stage) -> None:
    stage = yard
    page = _page(stage, "小红")
    stage.taps("小红", _buttons(page)[2], private=True)
    toast, edit = stage.replies()
    assert toast.text == ""
    assert edit.text.startswith("👌 改好了")
    assert "✅ 私密" in _labels(edit)
    stage.says("小明", "排行 总")
    assert "小红" not in stage.heard()
    stage.says("小明", "赠送 小红 5")
    assert "没找到「小红」" in stage.heard()
    hong = stage.person("小红")
    stage.says("小明", "赠送 5", answers=hong)  # who speaks is seen
    assert "想送给 小红 5 积分" in stage.heard()
    stage.says("小明", "赠送 @红 5", mentions=(Mention("@红", hong),))
    assert "想送给 小红 5 积分" in stage.heard()


@pytest.mark.parametrize(
    "words", ["隐私 公开", "隐私群友可见", "/privacy members", "隐私 群友可见"]
)
def test_who_was_private_is_back(yard: Stage, words: str) -> None:
    _page(yard, "小红", "隐私 私密")
    _page(yard, "小红", words)
    yard.says("小明", "排行 总")
    assert "小红" in yard.heard()
    yard.says("小明", "赠送 小红 5")
    assert "想送给 小红 5 积分" in yard.heard()


def test_boards_have_one_truth(yard: Stage) -> None:
    stage = yard
    stage.says("小明", "隐身")
    stage.replies()
    page = _page(stage)
    assert "群友可见" in page.text
    assert "你发过「隐身」" in page.text
    _page(stage, words="隐私 私密")
    stage.says("小明", "现身")
    stage.replies()
    page = _page(stage)
    assert "✅ 群友可见" in _labels(page)
    assert "你发过「隐身」" not in page.text


def test_the_rules_say_who_sees_those_that_have_not_chosen(yard: Stage) -> None:
    stage = yard
    _publish(stage, '[privacy]\nvisibility = "private"')
    _page(stage, "小红", "隐私 群友可见")
    stage.says("小红", "排行 总")
    board = stage.heard()
    assert "小红 ·" in board
    assert "小明" not in board
    stage.says("小红", "赠送 小明 5")
    assert "没找到「小明」" in stage.heard()
    stage.says("小明", "赠送 小红 5")
    assert "想送给 小红" in stage.heard()
    stage.says("小明", "规则")
    assert "没另选的人：不上榜，按名字找不到" in stage.heard()
    assert "✅ 私密" in _labels(_page(stage))


# -- consents ------------------------------------------------------------------------------------


def test_nothing_is_agreed_to_unless_said_so(stage: Stage) -> None:
    stage.says("小明", "签到")
    assert not any(_has(stage, purpose) for purpose in PURPOSES)
    stage.taps("小明", "privacy give profile 1", private=True)
    assert _has(stage, "profile")
    assert not _has(stage, "contact")
    stage.taps("小明", "privacy withdraw profile", private=True)
    assert not _has(stage, "profile")
    stage.says("小明", "隐私 同意 私信", private=True)
    stage.says("小明", "隐私同意私信", private=True)  # twice is once
    assert _has(stage, "contact")
    rows = _all(stage, "SELECT purpose, version, given, identity FROM consent ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("profile", 1, 1, "telegram:7000"),
        ("profile", 1, 0, "telegram:7000"),
        ("contact", 1, 1, "telegram:7000"),
    ]
    stage.says("小明", "隐私 撤回 推荐", private=True)  # never given
    assert len(_all(stage, "SELECT 1 FROM consent")) == 3


def test_new_words_ask_again(yard: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = yard
    page = _page(stage, words="隐私 同意 兴趣")
    assert "✅ 兴趣" in _labels(page)
    monkeypatch.setitem(VERSIONS, "profile", 2)
    assert not _has(stage, "profile")
    page = _page(stage)
    assert "🆕 说明改过了" in page.text
    assert "privacy give profile 2" in _buttons(page)
    stage.taps("小明", "privacy give profile 1", private=True)  # of the old words
    assert "再选一次" in stage.heard()
    assert not _has(stage, "profile")
    stage.taps("小明", "privacy give profile 2", private=True)
    assert _has(stage, "profile")


def test_choices_count_in_every_place_of_his(yard: Stage) -> None:
    stage = yard
    stage.says("小明", "签到", chat=Chat("-2002", "group", "别人的群"))
    stage.says("小明", "隐私 同意 私信", private=True)
    rows = _all(stage, "SELECT programme_id FROM consent")
    assert len({programme for (programme,) in rows}) == 2
    assert "露营群 · 别人的群" in stage.heard()


# -- ages ----------------------------------------------------------------------------------------


def _says_age(stage: Stage, band: str, who: str = "小明") -> str:
    stage.taps(who, f"privacy age {band}", private=True)
    return stage.heard()


def test_a_band_is_kept_and_changed_once_a_month(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.replies()
    page = _page(stage, words="隐私 年龄")
    assert _labels(page) == ["未满 14", "14–17", "18 及以上", "↩️ 返回"]
    assert "年龄段：14–17 岁" in _says_age(stage, "minor")
    assert "年龄段：14–17 岁" in _says_age(stage, "minor")  # the same again
    stage.advance(days=29)
    assert "30 天能改一次，2026-04-03 起" in _says_age(stage, "adult")
    with reading(stage.engine) as tx:
        assert ages.band(tx, MAIN, _me(tx, stage)) == "minor"
    stage.advance(days=1)
    assert "18 岁及以上" in _says_age(stage, "adult")
    rows = _all(stage, "SELECT band FROM age ORDER BY id")
    assert [band for (band,) in rows] == ["minor", "adult"]


def test_children_agree_to_no_profile(yard: Stage) -> None:
    stage = yard
    for purpose in ("兴趣", "推荐", "私信"):
        stage.says("小明", f"隐私 同意 {purpose}", private=True)
    assert "不做兴趣和推荐" in _says_age(stage, "under14")
    assert [_has(stage, purpose) for purpose in PURPOSES] == [False, True, False]
    for words in ("隐私 同意 兴趣", "隐私 同意 推荐"):
        stage.says("小明", words, private=True)
        assert "未满 14 岁，这一项不能开" in stage.heard()
    assert "兴趣" not in _labels(_page(stage))


def test_children_give_and_get_nothing_and_nobody_learns_why(yard: Stage) -> None:
    stage = yard
    _says_age(stage, "under14", "小红")
    stage.says("小明", "赠送 小红 5")
    told = stage.heard()
    assert told == "小明，对方现在不能收礼物。"
    stage.says("小红", "赠送 小明 5")
    assert "未满 14 岁还不能送积分或收积分" in stage.heard()


def test_a_child_accepts_nothing_that_was_offered_before(yard: Stage) -> None:
    stage = yard
    had = stage.balance("小红")
    yes, *_ = _offered(stage)
    _says_age(stage, "under14", "小红")
    (outcome,) = stage.taps("小红", yes)
    assert [row.kind for row in outcome.say] == ["tap"]
    assert "未满 14 岁" in stage.heard()
    assert stage.balance("小红") == had


def test_older_minors_give_as_everybody(yard: Stage) -> None:
    _says_age(yard, "minor")
    _says_age(yard, "minor", "小红")
    assert len(_offered(yard)) == 3


# -- export --------------------------------------------------------------------------------------


def test_without_a_page_he_is_told_whom_to_ask(yard: Stage) -> None:
    yard.says("小明", "隐私 导出", private=True)
    assert "请把你的编号 telegram:7000 发给群主" in yard.heard()


def test_a_link_is_the_same_for_a_day(yard: Stage) -> None:
    stage = yard
    stage.worker.public_url = PUBLIC
    stage.says("小明", "隐私 导出", private=True)
    told = stage.heard()
    (link,) = [line for line in told.splitlines() if line.startswith(f"{PUBLIC}/privacy/")]
    assert "24 小时内可以下载 3 次" in told
    stage.advance(hours=23)
    stage.says("小明", "隐私 导出", private=True)
    told = stage.heard()
    assert link in told
    assert "1 小时内可以下载 3 次" in told
    stage.says("小红", "隐私 导出", private=True)
    assert link not in stage.heard()
    token = link.rpartition("/")[2]

    def use(tx: Tx) -> None:
        for left in (2, 1, 0):
            used = downloads.take(tx, token, stage.now)
            assert used is not None
            assert (used.user_id, used.remaining) == ("7000", left)
        assert downloads.take(tx, token, stage.now) is None

    _with(stage, use)
    stage.says("小明", "隐私 导出", private=True)
    assert "已经下载满 3 次" in stage.heard()
    stage.advance(hours=1)
    stage.says("小明", "隐私 导出", private=True)
    told = stage.heard()
    assert link not in told
    assert "24 小时内可以下载 3 次" in told


def test_altered_and_old_links_open_nothing(yard: Stage) -> None:
    stage = yard
    stage.worker.public_url = PUBLIC
    stage.says("小明", "隐私 导出", private=True)
    token = stage.heard().split("/privacy/")[1].split()[0]
    programme, number, signed = token.split("-")
    turned = "0" if signed[0] != "0" else "1"
    with reading(stage.engine) as tx:
        assert downloads.find(tx, token, stage.now) is not None
        for wrong in (
            f"{programme}-{number}-{turned}{signed[1:]}",
            f"{programme}-{int(number) + 1}-{signed}",
            f"2-{number}-{signed}",
            f"{programme}-{number}-",
            f"{programme}-{number}",
            f"{programme}-{'9' * 400}-{signed}",
            f"-{number}-{signed}",
            "",
            "é-ü-ö",
        ):
            assert downloads.find(tx, wrong, stage.now) is None
        stage.advance(hours=24)
        assert downloads.find(tx, token, stage.now) is None
    other = open_engine(str(stage.engine.url), secret=b"another's")
    with reading(other) as tx:
        assert downloads.find(tx, token, stage.now) is None
    other.dispose()


def _read(stage: Stage, who: str = "7000") -> dict[str, Any]:
    """Return the files of what is known of somebody."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "data.zip"
        write_of(stage.engine, (stage.platform, who), path, texts("zh"))
        raw = path.read_bytes()
    with ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_he_gets_all_that_is_his_and_of_others_a_name_at_most(camp: Stage) -> None:
    stage = camp
    yes, *_ = _offered(stage, "小红", "赠送 小明 5 送你")
    stage.taps("小明", yes)
    stage.says("小明", "隐私 同意 私信", private=True)
    stage.taps("小明", "privacy age adult", private=True)
    files = _read(stage)
    (place,) = files["index.json"]["places"]
    assert place["programme"] == "露营群"
    counted = {each["file"]: each["rows"] for each in place["files"]}
    assert counted == {name: len(rows) for name, rows in files.items() if name != "index.json"}
    assert files["member.json"][0]["name"] == "小明"
    assert files["identity.json"][0]["user_id"] == "7000"
    assert files["membership.json"][0]["group"] == "露营群"
    assert counted["checkin.json"] == 16
    assert counted["posting.json"] == 17
    assert files["posting.json"][0]["amount"] == 5  # the newest first
    assert files["posting.json"][0]["reason"] == "gift"
    assert (files["gift.json"][0]["other"], files["gift.json"][0]["note"]) == ("小红", "送你")
    assert files["consent.json"][0]["purpose"] == "contact"
    assert files["age.json"][0]["band"] == "adult"
    assert counted["outbox.json"] > 0
    with reading(stage.engine) as tx:
        hong = _me(tx, stage, "小红")
    for name, rows in files.items():
        if name != "outbox.json":
            assert "7001" not in json.dumps(rows), name
            assert f"{hong}" not in json.dumps(rows), name


def test_many_postings_come_in_pages(yard: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _read(yard)
    small = about._CHAIN.sqlite.replace(f"c.place < {about.PAGE}", "c.place < 3")
    monkeypatch.setattr(about, "_CHAIN", about.Sql(small))
    monkeypatch.setattr(about, "PAGE", 3)
    assert _read(yard) == whole
    assert len(whole["posting.json"]) == 16


def test_in_several_places_each_has_a_folder(yard: Stage) -> None:
    yard.says("小明", "签到", chat=Chat("-2002", "group", "别人的群"))
    files = _read(yard)
    assert {name.partition("/")[0] for name in files} == {"1", "2", "index.json"}
    assert [p["programme"] for p in files["index.json"]["places"]] == ["露营群", "别人的群"]


def test_it_speaks_english(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url, secret=b"of the tests")
    stage = Stage(engine, locale="en")
    stage.says("Ann", "check in")
    stage.replies()
    ann = stage.person("Ann")
    ann = structs.replace(ann, locale="en")
    for words, told in (
        ("/privacy", "it is your data"),
        ("/privacy private", "I am on no board"),
        ("/privacy consent contact", "Noted; you can take it back"),
        ("/privacy withdraw contact", "Taken back"),
        ("/privacy age", "How old are you?"),
        ("/privacy age under14", "Age: under 14"),
        ("/privacy export", "Give your id telegram:7000 to the owner"),
        ("/privacy delete", "What goes:"),
        ("/privacy keep", "you have not asked to be erased"),
        ("/privacy ???", "I do not understand"),
    ):
        stage.says(ann, words, private=True)
        assert told in stage.heard(), words
    engine.dispose()


def test_a_member_is_still_known_to_the_store(yard: Stage) -> None:
    """Nothing that is chosen changes who somebody is."""
    _page(yard, words="隐私 私密")
    with reading(yard.engine) as tx:
        found = members.find(tx, MAIN, Who("telegram", "7000", "小明"), None)
    assert found is not None
    assert found.erase_ms is None
