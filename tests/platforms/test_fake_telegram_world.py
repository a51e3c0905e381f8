"""The fake Telegram: chats, people, rights, and who sees what."""

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling

MEMBERSHIP = ["message", "chat_member", "my_chat_member", "chat_join_request", "message_reaction"]


@pytest.fixture
def ask():
    yield from calling(FakeTelegram())


@pytest.fixture
def tg(ask):
    return ask.fake


@pytest.fixture
def ming(tg):
    return tg.user("小明", username="xiaoming")


@pytest.fixture
def hong(tg):
    return tg.user("小红")


@pytest.fixture
def club(ask):
    """A private group with the bot as administrator, everything asked for."""
    ask.updates(allowed_updates=[*MEMBERSHIP, "message_reaction_count"])
    return ask.fake.group("俱乐部", bot="administrator")


def seen(update):
    return "update_id" in update


# -- what the bot sees -------------------------------------------------------------------------


def test_privacy_mode_lets_through_what_is_meant_for_the_bot(ask, tg, ming):
    group = tg.group("群")
    mine = ask.ok("sendMessage", chat_id=group["id"], text="我")
    other = tg.say(group, ming, "签到")
    assert not seen(other)
    assert not seen(tg.say(group, ming, "@qunying_bot 在吗"))
    assert not seen(tg.say(group, ming, "/top@other_bot"))
    assert not seen(tg.say(group, ming, "看 /top", reply_to=other))
    assert seen(tg.say(group, ming, "/top"))
    assert seen(tg.say(group, ming, "/top@Qunying_Bot 3"))
    assert seen(tg.say(group, ming, "好", reply_to=mine))
    assert seen(tg.say(group, ming, "榜", via_bot=tg.me))
    assert not ask.ok("getMe")["can_read_all_group_messages"]


def test_an_administrator_and_a_bot_without_privacy_hear_everything(tg, ming):
    group = tg.group("群")
    tg.set_bot_status(group, "administrator")
    assert seen(tg.say(group, ming, "签到"))
    tg.set_bot_status(group, "member")
    assert not seen(tg.say(group, ming, "签到"))
    tg.privacy = False
    assert seen(tg.say(group, ming, "签到"))
    assert not seen(tg.say(group, tg.user("别的机器人", is_bot=True), "/top"))


def test_service_messages_are_always_seen(tg, ming):
    group = tg.group("群")
    change, message = tg.join(group, ming)
    assert not seen(change)
    assert seen(message)
    assert message["message"]["new_chat_members"] == [ming]
    assert seen(tg.leave(group, ming)[1])


def test_commands_and_mentions_are_marked_in_utf16(tg, ming):
    said = tg.say(tg.private(ming), ming, "😀 /top@qunying_bot @xiaoming a@b.com")["message"]
    assert said["entities"] == [
        {"type": "bot_command", "offset": 3, "length": 16},
        {"type": "mention", "offset": 20, "length": 9},
    ]


def test_edits_are_another_kind_of_update(ask, tg, ming):
    said = tg.say(tg.private(ming), ming, "签到")
    edited = tg.edit_message(said, "/签")
    assert edited["edited_message"]["edit_date"]
    assert edited["edited_message"]["message_id"] == said["message"]["message_id"]
    # The update already queued tells what was said, not what it became.
    assert ask.updates()[0]["message"]["text"] == "签到"


def test_senders_that_are_no_people(tg, club):
    anonymous = tg.say_anonymous(club, "公告", signature="站长")["message"]
    assert anonymous["from"]["id"] == 1087968824
    assert anonymous["sender_chat"]["id"] == anonymous["chat"]["id"]
    channel = tg.channel("频道")
    posed = tg.say_as_channel(club, "我是频道", channel)["message"]
    assert (posed["from"]["id"], posed["sender_chat"]) == (136817688, channel)
    forward = tg.auto_forward(club, "新文", channel)["message"]
    assert forward["from"]["id"] == 777000
    assert forward["is_automatic_forward"]
    assert forward["forward_origin"]["chat"] == channel


def test_ids_are_wider_than_32_bits(tg, ming):
    assert ming["id"] > 2**32
    assert tg.group("群")["id"] < -(10**12)


# -- topics ------------------------------------------------------------------------------------


def test_topics_and_the_general_one(ask, tg, ming):
    forum = tg.group("论坛", forum=True, bot="administrator")
    thread = tg.topic(forum, "写作")
    said = tg.say(forum, ming, "在", thread=thread)["message"]
    assert said["is_topic_message"]
    assert said["message_thread_id"] == thread
    assert said["reply_to_message"]["forum_topic_created"]["name"] == "写作"
    general = tg.say(forum, ming, "大厅", thread=1)["message"]
    assert "message_thread_id" not in general
    send = {"chat_id": forum["id"], "text": "x"}
    sent = ask.ok("sendMessage", message_thread_id=thread, **send)
    assert sent["message_thread_id"] == thread
    assert (tg.sent[-1].thread, tg.sent[-1].reply_to) == (thread, None)
    lost = (400, "Bad Request: message thread not found")
    assert ask.refused("sendMessage", message_thread_id=1, **send) == lost
    assert ask.refused("sendMessage", message_thread_id=77, **send) == lost
    tg.delete_topic(forum, thread)
    assert ask.refused("sendMessage", message_thread_id=thread, **send) == lost
    ask.ok("sendChatAction", chat_id=forum["id"], action="typing", message_thread_id=1)


def test_a_thread_outside_a_forum_must_not_be_sent_into(ask, tg, ming, club):
    said = tg.say(club, ming, "一")
    reply = tg.say(club, ming, "二", reply_to=said)["message"]
    assert "is_topic_message" not in reply
    thread = reply["message_thread_id"]
    assert ask.refused("sendMessage", chat_id=club["id"], text="x", message_thread_id=thread) == (
        400,
        "Bad Request: message thread not found",
    )


# -- chats that refuse -------------------------------------------------------------------------


def test_migration_sends_two_messages_and_then_refuses(ask, tg, ming):
    old = tg.group("小群", supergroup=False)
    assert old["type"] == "group"
    new = tg.migrate(old)
    first, second = (update["message"] for update in ask.updates())
    assert (first["chat"]["id"], first["migrate_to_chat_id"]) == (old["id"], new["id"])
    assert (second["chat"]["id"], second["migrate_from_chat_id"]) == (new["id"], old["id"])
    assert ask("sendMessage", chat_id=old["id"], text="x") == {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": new["id"]},
    }
    ask.ok("sendMessage", chat_id=new["id"], text="x")
    with pytest.raises(ValueError, match="upgraded"):
        tg.say(old, ming, "还在吗")


def test_a_bot_thrown_out_is_forbidden_and_hears_nothing(ask, tg, ming):
    group = tg.group("群", bot="administrator")
    change = tg.set_bot_status(group, "kicked", by=ming)["my_chat_member"]
    assert (change["old_chat_member"]["status"], change["new_chat_member"]["status"]) == (
        "administrator",
        "kicked",
    )
    assert change["from"] == ming
    assert ask.refused("sendMessage", chat_id=group["id"], text="x") == (
        403,
        "Forbidden: bot was kicked from the supergroup chat",
    )
    assert not seen(tg.say(group, ming, "/top"))
    left = tg.group("群二")
    ask.ok("leaveChat", chat_id=left["id"])
    assert ask.refused("getChat", chat_id=left["id"])[1] == (
        "Forbidden: bot is not a member of the supergroup chat"
    )


def test_private_chats_open_from_the_other_side(ask, tg, ming):
    closed = (403, "Forbidden: bot can't initiate conversation with a user")
    assert ask.refused("sendMessage", chat_id=ming["id"], text="x") == closed
    private = tg.private(ming)
    assert ask.refused("sendMessage", chat_id=ming["id"], text="x") == closed
    assert seen(tg.say(private, ming, "/start"))
    ask.ok("sendMessage", chat_id=ming["id"], text="x")
    assert seen(tg.block(ming))
    assert ask.refused("sendMessage", chat_id=ming["id"], text="x") == (
        403,
        "Forbidden: bot was blocked by the user",
    )
    assert ask.refused("sendMessage", chat_id=424242, text="x")[1] == "Bad Request: chat not found"


# -- coming and going --------------------------------------------------------------------------


def test_chat_member_needs_an_administrator_and_an_explicit_wish(ask, tg, ming, hong, club):
    change, _ = tg.join(club, ming)
    assert seen(change)
    assert change["chat_member"]["old_chat_member"]["status"] == "left"
    assert change["chat_member"]["new_chat_member"] == {"status": "member", "user": ming}
    tg.set_bot_status(club, "member")
    assert not seen(tg.join(club, hong)[0])
    tg.set_bot_status(club, "administrator")
    ask.updates(allowed_updates=[])
    assert not seen(tg.leave(club, hong)[0])


def test_invite_links_tell_who_invited_but_not_in_public_groups(ask, tg, ming, hong, club):
    link = ask.ok("createChatInviteLink", chat_id=club["id"], name="小明", member_limit=1)
    change, _ = tg.join(club, ming, invite_link=link)
    assert change["chat_member"]["invite_link"] == link
    with pytest.raises(PermissionError, match="used up"):
        tg.join(club, hong, invite_link=link)
    foreign = tg.foreign_link(club, ming)
    shown = tg.join(club, hong, invite_link=foreign)[0]["chat_member"]["invite_link"]
    assert shown["invite_link"].endswith("...")
    assert shown["creator"] == ming
    public = tg.group("公开群", username="gongkai", bot="administrator")
    open_link = ask.ok("createChatInviteLink", chat_id="@gongkai")
    assert "invite_link" not in tg.join(public, ming, invite_link=open_link)[0]["chat_member"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "字" * 33},
        {"member_limit": 0},
        {"member_limit": 100_000},
        {"member_limit": 5, "creates_join_request": True},
    ],
)
def test_invite_links_have_bounds(ask, club, wrong):
    assert ask.refused("createChatInviteLink", chat_id=club["id"], **wrong)[0] == 400


def test_own_links_are_revoked_and_expire(ask, tg, ming, club):
    link = ask.ok("createChatInviteLink", chat_id=club["id"])
    assert ask.ok("revokeChatInviteLink", chat_id=club["id"], invite_link=link["invite_link"])[
        "is_revoked"
    ]
    with pytest.raises(PermissionError, match="no such link"):
        tg.join(club, ming, invite_link=link)
    soon = int(tg.clock.now()) + 60
    short = ask.ok("createChatInviteLink", chat_id=club["id"], expire_date=soon)
    tg.fast_forward(61)
    with pytest.raises(PermissionError, match="expired"):
        tg.join(club, ming, invite_link=short)
    foreign = tg.foreign_link(club, ming)["invite_link"]
    assert ask.refused("revokeChatInviteLink", chat_id=club["id"], invite_link=foreign)[0] == 400


def test_a_join_request_opens_the_private_chat_for_five_minutes(ask, tg, ming, hong, club):
    link = ask.ok("createChatInviteLink", chat_id=club["id"], creates_join_request=True)
    request = tg.request_join(club, ming, invite_link=link, bio="写作者")["chat_join_request"]
    assert (request["user_chat_id"], request["invite_link"]) == (ming["id"], link)
    ask.ok("sendMessage", chat_id=ming["id"], text="为何来？")
    tg.fast_forward(301)
    assert ask.refused("sendMessage", chat_id=ming["id"], text="?")[0] == 403
    who = {"chat_id": club["id"], "user_id": ming["id"]}
    ask.ok("approveChatJoinRequest", **who)
    change = next(u["chat_member"] for u in ask.updates() if "chat_member" in u)
    assert change["via_join_request"]
    assert change["invite_link"] == link
    assert ask.refused("approveChatJoinRequest", **who)[1].endswith("USER_ALREADY_PARTICIPANT")
    tg.request_join(club, hong)
    who["user_id"] = hong["id"]
    ask.ok("declineChatJoinRequest", **who)
    assert ask.refused("declineChatJoinRequest", **who)[1].endswith("HIDE_REQUESTER_MISSING")
    assert ask.ok("getChatMember", **who)["status"] == "left"
    tg.set_bot_status(club, "administrator", can_invite_users=False)
    assert not seen(tg.request_join(club, hong))


def test_muting_and_banning(ask, tg, ming, club):
    tg.say(club, ming, "吵")
    who = {"chat_id": club["id"], "user_id": ming["id"]}
    until = int(tg.clock.now()) + 60
    ask.ok("restrictChatMember", permissions={"can_send_messages": False}, until_date=until, **who)
    with pytest.raises(PermissionError):
        tg.say(club, ming, "吵")
    tg.fast_forward(61)
    tg.say(club, ming, "又能说了")
    ask.ok("banChatMember", until_date=int(tg.clock.now()) + 10, **who)
    banned = ask.ok("getChatMember", **who)
    assert (banned["status"], banned["until_date"]) == ("kicked", 0)  # under 30 s is for ever
    with pytest.raises(PermissionError):
        tg.join(club, ming)
    ask.ok("unbanChatMember", only_if_banned=True, **who)
    assert seen(tg.join(club, ming)[0])
    tg.set_status(club, ming, "administrator")
    assert ask.refused("banChatMember", **who)[1].endswith("user is an administrator of the chat")
    basic = tg.group("小群", supergroup=False, bot="administrator")
    assert ask.refused(
        "restrictChatMember", chat_id=basic["id"], user_id=ming["id"], permissions={}
    )[1].endswith("method is available only for supergroups")


def test_a_mere_member_may_not_manage(ask, tg, ming):
    group = tg.group("群")
    said = tg.say(group, ming, "/x")["message"]["message_id"]
    who = {"chat_id": group["id"], "user_id": ming["id"]}
    for method, params in {
        "banChatMember": who,
        "approveChatJoinRequest": who,
        "createChatInviteLink": {"chat_id": group["id"]},
        "pinChatMessage": {"chat_id": group["id"], "message_id": said},
    }.items():
        assert "not enough rights" in ask.refused(method, **params)[1]


def test_what_is_known_of_a_chat(ask, tg, ming, club):
    tg.say(club, ming, "在")
    assert ask.ok("getChat", chat_id=club["id"])["title"] == "俱乐部"
    assert ask.ok("getChatMemberCount", chat_id=club["id"]) == 3
    roles = [m["status"] for m in ask.ok("getChatAdministrators", chat_id=club["id"])]
    assert sorted(roles) == ["administrator", "creator"]
    said = ask.ok("sendMessage", chat_id=club["id"], text="置顶")
    ask.ok("pinChatMessage", chat_id=club["id"], message_id=said["message_id"])
    assert ask.ok("getChat", chat_id=club["id"])["pinned_message"]["text"] == "置顶"


def test_commands_have_scopes_and_languages(ask, club):
    admins = {"type": "chat_administrators", "chat_id": club["id"]}
    plain, few = [{"command": "top", "description": "榜"}], [{"command": "a", "description": "b"}]
    ask.ok("setMyCommands", commands=plain)
    ask.ok("setMyCommands", commands=few, scope=admins, language_code="zh")
    assert ask.ok("getMyCommands") == plain
    assert ask.ok("getMyCommands", scope=admins) == []
    assert ask.ok("getMyCommands", scope=admins, language_code="zh") == few
    ask.ok("deleteMyCommands")
    assert ask.ok("getMyCommands", scope={"type": "default"}) == []
    for wrong in ([{"command": "签到", "description": "x"}], plain * 101):
        assert ask.refused("setMyCommands", commands=wrong)[0] == 400


# -- reactions and inline mode -----------------------------------------------------------------


def test_reactions_come_to_administrators_who_asked(ask, tg, ming, club):
    said = tg.say(club, ming, "好文")
    assert tg.react(said, ming, ["👍"])["message_reaction"]["old_reaction"] == []
    change = tg.react(said, ming, ["❤"])["message_reaction"]
    assert change["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    assert not seen(tg.react(said, tg.user("机器人", is_bot=True), ["👍"]))
    assert tg.react(said, None, ["👍"])["message_reaction"]["actor_chat"] == club
    counted = tg.reaction_count(said, {"👍": 3})["message_reaction_count"]
    assert counted["reactions"][0]["total_count"] == 3
    where = {"chat_id": club["id"], "message_id": said["message"]["message_id"]}
    thumb = {"type": "emoji", "emoji": "👍"}
    ask.ok("setMessageReaction", reaction=[thumb], **where)
    assert ask.refused("setMessageReaction", reaction=[thumb, thumb], **where)[0] == 400
    tg.set_bot_status(club, "member")
    assert not seen(tg.react(said, ming, []))


def test_inline_queries_are_answered_in_time_and_chosen(ask, tg, ming):
    article = {
        "type": "article",
        "id": "1",
        "title": "榜",
        "input_message_content": {"message_text": "榜"},
        "reply_markup": {"inline_keyboard": [[{"text": "看", "callback_data": "see"}]]},
    }
    query = tg.inline_query(ming, "榜", chat_type="supergroup")
    number = query["inline_query"]["id"]
    many = [{**article, "id": str(i)} for i in range(51)]
    assert ask.refused("answerInlineQuery", inline_query_id=number, results=many)[0] == 400
    ask.ok("answerInlineQuery", inline_query_id=number, results=[article])
    chosen = tg.choose(ming, query, "1")["chosen_inline_result"]
    inline = chosen["inline_message_id"]
    assert tg.tap(inline, ming, "see")["callback_query"]["inline_message_id"] == inline
    assert ask.ok("editMessageText", inline_message_id=inline, text="新榜") is True
    late = tg.inline_query(ming, "二")["inline_query"]["id"]
    tg.fast_forward(31)
    assert (
        "query is too old" in ask.refused("answerInlineQuery", inline_query_id=late, results=[])[1]
    )
