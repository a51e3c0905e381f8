"""Telegram updates become events: judged by two client libraries, and by what nobody sends."""

import copy
from datetime import UTC, datetime
from functools import cache

import pytest
import telegram
from aiogram.types import Update as AiogramUpdate
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.telegram.decode import ALLOWED_UPDATES, Me, UndecodableError, to_event
from handlers.event import Event, Mention, Sender
from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.fake_telegram.messaging import send_message

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
BOT_ID = 1234567890
ME = Me(BOT_ID, "qunying_bot", sees_all=False, owners=frozenset({"telegram:4711"}))
KEYBOARD = {"inline_keyboard": [[{"text": "签到", "callback_data": "checkin"}]]}
MEANT_FOR_US = {
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
}


class Town(FakeTelegram):
    """A fake that is never served: only its people are wanted."""

    def __init__(self):
        super().__init__(privacy=False)
        self.queue.allowed = [*ALLOWED_UPDATES, "channel_post", "edited_channel_post"]
        self.limits.enabled = False

    def bot_says(self, chat, text, **params):
        with self.lock:
            return send_message(self, {"chat_id": chat["id"], "text": text, **params})

    @property
    def updates(self):
        return [copy.deepcopy(entry.update) for entry in self.queue.entries]


def kind_of(update):
    return next(key for key in update if key != "update_id")


def decode(update, me=ME):
    return to_event(update, me, NOW)


@cache
def everything():
    """One of each thing that can happen."""
    tg = Town()
    ming = tg.user("小明", username="xiaoming", language_code="zh-hans", last_name="王")
    hong = tg.user("小红")
    forum = tg.group("论坛", forum=True, added_by=ming)
    tg.set_bot_status(forum, "administrator", by=ming)
    thread = tg.topic(forum, "写作")
    said = tg.say(forum, ming, "/top @xiaoming", thread=thread)
    tg.say(forum, hong, "答", reply_to=said)
    tg.edit_message(said, "改")
    tg.say(forum, hong, "签到")
    sent = tg.bot_says(forum, "榜", message_thread_id=thread, reply_markup=KEYBOARD)
    tg.tap(sent, ming, "checkin")
    del tg.chat(forum).messages[sent["message_id"]]
    tg.tap(sent, ming, "checkin")
    tg.tap("inline7", ming, "checkin")
    channel = tg.channel("频道", bot="administrator")
    post = tg.post(channel, "新文")
    tg.edit_message(post, "改文")
    size = {"file_id": "a", "file_unique_id": "b", "width": 90, "height": 67}
    tg.say(forum, hong, None, photo=[size], caption="晒单 今天的饭")
    tg.auto_forward(forum, "新文", channel)
    tg.say_as_channel(forum, "我", channel)
    tg.say_anonymous(forum, "公告", signature="站长")
    tg.join(forum, later := tg.user("小红二"))
    tg.set_status(forum, later, "administrator")
    tg.set_status(forum, later, "restricted", until_date=int(tg.clock.now()) + 600)
    tg.leave(forum, later, by=ming)
    tg.request_join(forum, tg.user("新人"), bio="你好")
    asking = tg.foreign_link(forum, ming, creates_join_request=True)
    tg.request_join(forum, tg.user("新人二"), asking)
    tg.join(forum, tg.user("新人三"), tg.foreign_link(forum, ming))
    tg.join(forum, tg.user("新人四"), by=ming)
    tg.react(said, hong, ["👍"])
    tg.reaction_count(said, {"👍": 2})
    tg.inline_query(ming, "榜", chat_type="sender")
    tg.migrate(tg.group("小群", supergroup=False))
    tg.say(tg.private(ming), ming, "/start ref_1")
    tg.block(ming)
    tg.set_bot_status(forum, "left")
    tg.check()
    return tg.updates


def as_of_bot_api_10_3(thing):
    """Add what aiogram requires beyond the Bot API 10.1 of the fake."""
    if isinstance(thing, list):
        return [as_of_bot_api_10_3(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    newer = {"can_send_welcome_messages": False} if "can_manage_chat" in thing else {}
    return {key: as_of_bot_api_10_3(value) for key, value in thing.items()} | newer


def by_python_telegram_bot(update):
    return telegram.Update.de_json(update, None)


def by_aiogram(update):
    return AiogramUpdate.model_validate(as_of_bot_api_10_3(update))


def check_message(event, message, *, edited):
    if message.migrate_to_chat_id or message.migrate_from_chat_id:
        old = message.migrate_from_chat_id or message.chat.id
        new = message.migrate_to_chat_id or message.chat.id
        assert (event.kind, event.chat.id, event.target) == ("migrated", str(old), str(new))
        assert event.at == message.date
        return
    people = [*(message.new_chat_members or ()), *filter(None, [message.left_chat_member])]
    if people:
        if event is None:
            assert people[0].is_bot
            return
        assert event.kind == ("joined" if message.new_chat_members else "left")
        assert event.sender.id == str(people[0].id)
    else:
        assert (event.kind, event.edited) == ("message", edited)
        assert event.text == (message.text or message.caption or "")
        assert event.photo == bool(message.photo)
        assert event.message_id == str(message.message_id)
        assert event.secondhand == bool(message.forward_origin or message.via_bot)
        original = message.reply_to_message
        comments = bool(original and original.is_automatic_forward)
        assert event.from_outside == (bool(message.chat.username) or comments)
        who = message.sender_chat or message.from_user
        assert event.sender.id == str(who.id)
        check_answer(event, original)
    assert event.chat.id == str(message.chat.id)
    assert event.chat.title == (message.chat.title or "")
    assert event.chat.kind == ("private" if message.chat.type == "private" else "group")
    assert event.chat.thread == (
        str(message.message_thread_id) if message.is_topic_message else None
    )
    assert event.at == message.date


def check_answer(event, original):
    if original is None or original.forum_topic_created:
        assert event.answers is None
    elif not original.is_automatic_forward:
        assert event.answers.id == str((original.sender_chat or original.from_user).id)


def check_tap(event, tap):
    if tap.message is None:
        assert event is None
        return
    assert (event.kind, event.tap_id, event.text) == ("tap", str(tap.id), tap.data)
    assert event.sender.id == str(tap.from_user.id)
    assert event.sender.name == tap.from_user.full_name
    assert event.chat.id == str(tap.message.chat.id)
    assert event.message_id == str(tap.message.message_id)
    assert event.at == NOW


INSIDE = {"creator", "administrator", "member"}


def is_inside(member):
    return member.status in INSIDE or (member.status == "restricted" and member.is_member)


def check_membership(event, change, *, mine):
    was, is_now = is_inside(change.old_chat_member), is_inside(change.new_chat_member)
    if mine:
        if change.chat.type == "private":
            assert event is None
            return
        changed = was and is_now
        kind = "bot_rights" if changed else "bot_added" if is_now else "bot_removed"
        who = change.from_user
    elif was == is_now:
        assert event is None
        return
    else:
        kind, who = ("joined" if is_now else "left"), change.new_chat_member.user
    assert event.kind == kind
    assert event.sender.id == str(who.id)
    assert event.sender.name == who.full_name
    assert event.chat.id == str(change.chat.id)
    assert event.at == change.date
    if kind == "joined":
        check_way(event, change)
        assert (event.by.id if event.by else str(who.id)) == str(change.from_user.id)


def check_way(event, arrival):
    """Through links of other administrators, too, which come cut short."""
    assert event.via == (arrival.invite_link.invite_link if arrival.invite_link else "")


def check_request(event, request):
    assert (event.kind, event.chat.id) == ("join_request", str(request.chat.id))
    assert (event.sender.id, event.sender.name) == (
        str(request.from_user.id),
        request.from_user.full_name,
    )
    assert event.at == request.date
    assert event.target == str(request.user_chat_id)
    check_way(event, request)


@pytest.mark.parametrize("library", [by_python_telegram_bot, by_aiogram])
def test_events_agree_with_a_client_library_about_every_kind_of_update(library):
    seen = set()
    for update in everything():
        kind, judge = kind_of(update), library(update)
        seen.add(kind)
        event = decode(update)
        if event is not None:
            assert event.key == f"tg{BOT_ID}:{judge.update_id}"
            assert event.at.tzinfo is not None
        if kind in {"message", "edited_message"}:
            check_message(event, getattr(judge, kind), edited=kind == "edited_message")
        elif kind == "callback_query":
            check_tap(event, judge.callback_query)
        elif kind in {"my_chat_member", "chat_member"}:
            check_membership(event, getattr(judge, kind), mine=kind == "my_chat_member")
        elif kind == "chat_join_request":
            check_request(event, judge.chat_join_request)
        else:
            assert event is None, kind
    assert seen >= MEANT_FOR_US | {"channel_post", "message_reaction"}
    assert seen >= {"inline_query", "message_reaction_count", "edited_channel_post"}


# -- who speaks ----------------------------------------------------------------------------------


@pytest.fixture
def tg():
    return Town()


@pytest.fixture
def group(tg):
    return tg.group("群", bot="administrator")


def test_a_person_is_a_person_with_name_and_language(tg, group):
    user = tg.user("小明", last_name="王", language_code="zh-hans")
    sender = decode(tg.say(group, user, "签到")).sender
    assert (sender.kind, sender.id, sender.name) == ("person", str(user["id"]), "小明 王")
    assert (sender.role, sender.locale) == ("member", "zh-hans")


def test_an_owner_of_the_installation_is_known_by_number(tg, group):
    user = tg.user("站长", id=4711)
    assert decode(tg.say(group, user, "签到")).sender.role == "owner"


def test_an_anonymous_admin_is_nobody(tg, group):
    sender = decode(tg.say_anonymous(group, "签到")).sender
    assert (sender.kind, sender.id) == ("anonymous_admin", str(group["id"]))


def test_a_channel_is_nobody(tg, group):
    sender = decode(tg.say_as_channel(group, "签到")).sender
    assert sender.kind == "channel"


def test_a_post_of_the_linked_channel_is_a_service(tg, group):
    assert decode(tg.auto_forward(group, "签到")).sender.kind == "service"


def test_another_bot_is_a_bot(group):
    other = {"id": 77, "is_bot": True, "first_name": "Other"}
    update = message(group, {"from": other, "text": "签到"})
    assert decode(update).sender.kind == "bot"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "channel"),
        ({"from": {"id": 777000, "is_bot": False, "first_name": "Telegram"}}, "service"),
        ({"from": {"id": 136817688, "is_bot": True, "first_name": "Channel"}}, "channel"),
        ({"from": {"id": 1087968824, "is_bot": True, "first_name": "G"}}, "anonymous_admin"),
        ({"from": {"id": 5, "is_bot": False, "first_name": "A"}}, "person"),
    ],
)
def test_senders_without_a_face(group, fields, kind):
    assert decode(message(group, {"text": "签到", **fields})).sender.kind == kind


def test_an_anonymous_admins_tap_carries_the_real_person(tg, group):
    admin = tg.user("管理")
    sent = tg.bot_says(group, "签到吗", reply_markup=KEYBOARD)
    sender = decode(tg.tap(sent, admin, "checkin")).sender
    assert (sender.kind, sender.id) == ("person", str(admin["id"]))


def test_a_tap_tells_whether_its_message_has_the_button(tg, group):
    ming = tg.user("小明")
    sent = tg.bot_says(group, "签到吗", reply_markup=KEYBOARD)
    assert decode(tg.tap(sent, ming, "checkin")).genuine
    assert not decode(tg.tap(sent, ming, "top week here")).genuine  # a client sends what it likes
    assert not decode(tg.tap(tg.bot_says(group, "早"), ming, "checkin")).genuine
    assert not decode(tg.say(group, ming, "签到")).genuine


def message(chat, fields, update_id=7):
    body = {"message_id": 3, "date": 1_770_000_000, "chat": chat, **fields}
    return {"update_id": update_id, "message": body}


# -- what is said, and where -----------------------------------------------------------------------


def test_an_edit_is_marked(tg, group):
    said = tg.say(group, tg.user("小明"), "早")
    assert decode(said).edited is False
    edited = decode(tg.edit_message(said, "签到"))
    assert (edited.edited, edited.text) == (True, "签到")


@pytest.mark.parametrize(
    ("fields", "secondhand"),
    [
        ({}, False),
        ({"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "A"}}, True),
        ({"via_bot": {"id": 8, "is_bot": True, "first_name": "gif"}}, True),
    ],
    ids=["own words", "forwarded", "by way of a bot"],
)
def test_words_that_are_not_the_senders_own_are_marked(group, fields, secondhand):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    event = decode(message(group, {"from": user, "text": "早", **fields}))
    assert event.secondhand is secondhand


# -- who is meant ----------------------------------------------------------------------------------


def text_mention(text, words, user):
    """Mark words of a text as a mention of somebody without a username."""
    before, length = text.partition(words)[0], len(words.encode("utf-16-le")) // 2
    offset = len(before.encode("utf-16-le")) // 2
    return [{"type": "text_mention", "offset": offset, "length": length, "user": user}]


@pytest.mark.parametrize("field", ["text", "caption"])
def test_a_mention_says_who_is_called_behind_pictures_and_all(group, field):
    hong = {"id": 5, "is_bot": False, "first_name": "小红", "last_name": "李"}
    words = "赠送 🦄🦄 小红 李 20"
    entities = text_mention(words, "小红 李", hong)
    fields = {"from": {**hong, "id": 6}, field: words}
    fields["entities" if field == "text" else "caption_entities"] = entities
    event = decode(message(group, fields))
    assert event.mentions == (Mention("小红 李", Sender("5", "小红 李")),)


def test_a_username_is_called_without_telling_whose_it_is(tg, group):
    event = decode(tg.say(group, tg.user("小明"), "赠送 @xiaohong 20 @Qunying_Bot #谢谢"))
    assert event.mentions == (Mention("@xiaohong"),)
    assert event.addressed


def test_a_bot_that_is_called_is_a_bot(group):
    bot = {"id": 8, "is_bot": True, "first_name": "Other"}
    words = {"text": "送 Other 1", "entities": text_mention("送 Other 1", "Other", bot)}
    event = decode(message(group, {"from": {**bot, "is_bot": False}, **words}))
    assert [mention.who.kind for mention in event.mentions] == ["bot"]


@pytest.mark.parametrize(
    "entity",
    [
        {"type": "mention", "offset": 900, "length": 4},
        {"type": "text_mention", "offset": 0, "length": 0},
        {"type": "mention", "offset": 1, "length": 900},
        {"type": "something_new", "offset": 0, "length": 1},
    ],
)
def test_a_mention_that_points_nowhere_troubles_nobody(group, entity):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    event = decode(message(group, {"from": user, "text": "\ud83e签到", "entities": [entity]}))
    assert event.kind == "message"
    assert all(mention.who is None for mention in event.mentions)


def test_a_reply_says_whose_message_it_answers(tg, group):
    ming, hong = tg.user("小明"), tg.user("小红")
    said = tg.say(group, hong, "早")
    event = decode(tg.say(group, ming, "赠送 20", reply_to=said))
    assert event.answers == Sender(str(hong["id"]), "小红")
    assert decode(said).answers is None
    ours = tg.bot_says(group, "你好")
    assert decode(tg.say(group, ming, "谢谢", reply_to=ours)).answers.kind == "bot"
    anonymous = tg.say_anonymous(group, "公告")
    assert decode(tg.say(group, ming, "好", reply_to=anonymous)).answers.kind == "anonymous_admin"


def test_a_message_in_a_topic_answers_nobody_but_whom_it_replies_to(tg):
    forum = tg.group("论坛", forum=True, bot="administrator")
    thread = tg.topic(forum, "写作")
    ming, hong = tg.user("小明"), tg.user("小红")
    said = tg.say(forum, hong, "早", thread=thread)
    assert decode(said).answers is None
    event = decode(tg.say(forum, ming, "赠送 20", reply_to=said, thread=thread))
    assert event.answers.id == str(hong["id"])


@pytest.mark.parametrize(
    ("chat", "fields", "outside"),
    [
        ({}, {}, False),
        ({"username": "camp"}, {}, True),
        ({}, {"reply_to_message": {"message_id": 1, "is_automatic_forward": True}}, True),
        ({}, {"reply_to_message": {"message_id": 1}}, False),
    ],
    ids=["private group", "public group", "comment on a channel's post", "answer"],
)
def test_one_who_may_not_be_in_the_group_is_marked(group, chat, fields, outside):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    event = decode(message({**group, **chat}, {"from": user, "text": "早", **fields}))
    assert event.from_outside is outside


def test_a_caption_counts_as_text(group):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    assert decode(message(group, {"from": user, "caption": "签到"})).text == "签到"


def test_general_has_no_thread_and_other_topics_have(tg):
    forum, user = tg.group("论坛", forum=True, bot="administrator"), tg.user("小明")
    thread = tg.topic(forum, "写作")
    assert decode(tg.say(forum, user, "签到")).chat.thread is None
    assert decode(tg.say(forum, user, "签到", thread=1)).chat.thread is None
    assert decode(tg.say(forum, user, "签到", thread=thread)).chat.thread == str(thread)


def test_general_with_its_number_one_has_no_thread_either(group):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    general = {"from": user, "text": "签到", "is_topic_message": True, "message_thread_id": 1}
    assert decode(message(group, general)).chat.thread is None


def test_a_reply_chain_in_a_plain_group_is_no_topic(tg, group):
    first = tg.say(group, tg.user("小明"), "早")
    answer = tg.say(group, tg.user("小红"), "签到", reply_to=first)
    assert "message_thread_id" in answer["message"]
    assert decode(answer).chat.thread is None


@pytest.mark.parametrize(
    ("text", "addressed"),
    [
        ("签到", False),
        ("@qunying_bot 签到", True),
        ("早上好 @Qunying_Bot 在吗", True),
        ("@other_bot 签到", False),
        ("", False),
    ],
)
def test_a_mention_addresses_the_bot(group, text, addressed):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    assert decode(message(group, {"from": user, "text": text})).addressed is addressed


def test_a_longer_name_that_begins_like_ours_is_another(group):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    update = message(group, {"from": user, "text": "@qunying_bot_fan 早"})
    assert decode(update).addressed is False


def test_a_mere_answer_to_the_bot_asks_nothing_of_it(tg, group):
    """People answer a bot with thanks and laughter; that is no unknown command."""
    said = tg.bot_says(group, "今天签到了吗")
    assert decode(tg.say(group, tg.user("小明"), "什么", reply_to=said)).addressed is False


def test_private_words_are_always_addressed(tg):
    user = tg.user("小明")
    assert decode(tg.say(tg.private(user), user, "早")).addressed is True


# -- coming and going ------------------------------------------------------------------------------


def test_joins_and_departures_come_by_both_ways(tg, group):
    user = tg.user("新人")
    joined = [decode(update) for update in tg.join(group, user)]
    left = [decode(update) for update in tg.leave(group, user)]
    assert [event.kind for event in joined + left] == ["joined", "joined", "left", "left"]
    assert {event.sender.id for event in joined + left} == {str(user["id"])}


def test_a_member_who_was_brought_is_the_one_who_joined(tg, group):
    host, guest = tg.user("主"), tg.user("客")
    for update in tg.join(group, guest, by=host):
        assert decode(update).sender.id == str(guest["id"])


def test_a_restricted_member_who_left_has_left(tg, group):
    user = tg.user("小明")
    tg.join(group, user)
    assert decode(tg.set_status(group, user, "restricted", until_date=0)) is None
    assert decode(tg.set_status(group, user, "restricted", is_member=False)).kind == "left"
    assert decode(tg.set_status(group, user, "member")).kind == "joined"


def test_other_bots_come_and_go_unnoticed(tg, group):
    other = tg.user("Other", is_bot=True)
    assert [decode(update) for update in tg.join(group, other)] == [None, None]


@pytest.mark.parametrize(
    ("old", "new", "kind", "lacks"),
    [
        ("left", "member", "bot_added", ("listen", "notice")),
        ("left", "administrator", "bot_added", ()),
        ("kicked", "member", "bot_added", ("listen", "notice")),
        ("member", "administrator", "bot_rights", ()),
        ("member", "left", "bot_removed", ()),
        ("administrator", "kicked", "bot_removed", ()),
        ("administrator", "member", "bot_rights", ("listen", "notice")),
        ("left", "kicked", "bot_removed", ()),
    ],
)
def test_the_bot_is_added_removed_and_given_rights(tg, old, new, kind, lacks):
    event = decode(tg.set_bot_status(tg.group("群", bot=old), new))
    assert (event.kind, event.lacks) == (kind, lacks)


def test_a_restricted_bot_knows_that_it_may_not_speak(tg):
    group = tg.group("群", bot="member")
    mute = decode(tg.set_bot_status(group, "restricted", can_send_messages=False))
    assert (mute.kind, mute.lacks) == ("bot_rights", ("speak", "listen", "notice"))
    free = decode(tg.set_bot_status(group, "restricted", can_send_messages=True))
    assert free.lacks == ("listen", "notice")
    assert decode(tg.set_bot_status(group, "member")) is None  # nothing has changed for us


def test_without_privacy_mode_the_bot_sees_everything_anyway(tg):
    update = tg.set_bot_status(tg.group("群", bot="left"), "member")
    assert decode(update, ME._replace(sees_all=True)).lacks == ("notice",)


def test_a_block_in_private_is_no_removal_from_a_group(tg):
    user = tg.user("小明")
    assert decode(tg.block(user)) is None


def test_both_migration_messages_say_the_same(tg):
    old = tg.group("小群", supergroup=False, bot="administrator")
    new = tg.migrate(old)
    first, second = [decode(update) for update in tg.updates]
    for event in (first, second):
        assert (event.kind, event.chat.id) == ("migrated", str(old["id"]))
        assert event.target == str(new["id"])
    assert first.key != second.key


# -- what nobody should send ---------------------------------------------------------------------


def test_unknown_kinds_mean_nothing():
    assert decode({"update_id": 5, "hologram": {"id": 5}}) is None
    assert decode({"update_id": 5}) is None


@pytest.mark.parametrize("raw", [None, 5, "x", [], [{}], {}, {"update_id": "7"}, {"message": {}}])
def test_what_is_no_update_is_undecodable(raw):
    with pytest.raises(UndecodableError):
        decode(raw)


def test_a_tap_on_a_message_that_is_gone_still_comes(tg, group):
    sent = tg.bot_says(group, "签到吗", reply_markup=KEYBOARD)
    del tg.chat(group).messages[sent["message_id"]]
    event = decode(tg.tap(sent, tg.user("小明"), "checkin"))
    assert (event.kind, event.at, event.chat.id) == ("tap", NOW, str(group["id"]))


@pytest.mark.parametrize("date", [2**40, 2**63, 2**70, -(2**40), -(2**70)])
def test_an_absurd_date_is_undecodable(group, date):
    user = {"id": 5, "is_bot": False, "first_name": "A"}
    update = message(group, {"from": user, "text": "签到", "date": date})
    with pytest.raises(UndecodableError):
        decode(update)


def paths(thing, here=()):
    """Every place in an update, the update itself left out."""
    items = ()
    if isinstance(thing, dict):
        items = thing.items()
    elif isinstance(thing, list):
        items = enumerate(thing)
    for key, value in items:
        yield (*here, key)
        yield from paths(value, (*here, key))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "type", "status", "x"]), st.none(), max_size=2),
)
REMOVED = object()


def spoil(update, path, junk):
    update = copy.deepcopy(update)
    inner = update
    for key in path[:-1]:
        inner = inner[key]
    if junk is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = junk
    return update


def is_harmless(update):
    try:
        event = decode(update)
    except UndecodableError:
        return True
    return event is None or isinstance(event, Event)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_spoiled_update_is_an_event_nothing_or_undecodable(data):
    update = data.draw(st.sampled_from(everything()))
    path = data.draw(st.sampled_from(list(paths(update))))
    assert is_harmless(spoil(update, path, data.draw(JUNK)))


def test_every_field_may_be_missing():
    spoiled = [spoil(update, path, REMOVED) for update in everything() for path in paths(update)]
    assert len(spoiled) > 500
    assert all(is_harmless(update) for update in spoiled)


@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_json_is_an_event_nothing_or_undecodable(raw):
    assert is_harmless(raw)
    assert is_harmless({"update_id": 5, "message": raw})
