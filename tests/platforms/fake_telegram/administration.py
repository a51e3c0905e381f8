"""Methods about the bot itself, its commands, chats, members and invite links."""

import json
import re
from typing import Any
from unicodedata import category

from .errors import bad_request
from .members import SPEAKING, is_admin, is_inside, lasts_until, make_member
from .state import Chat, Json, Link, State

MAX_COMMANDS = 100
MAX_DESCRIPTION = 256
MAX_LINK_NAME = 32
MAX_LINK_USES = 99_999
MAX_TAG = 16
GIFTS = (
    "unlimited_gifts",
    "limited_gifts",
    "unique_gifts",
    "premium_subscription",
    "gifts_from_channels",
)
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def get_me(state: State, _: Json) -> Json:
    return {
        **state.me,
        "can_join_groups": True,
        "can_read_all_group_messages": not state.privacy,
        "supports_inline_queries": True,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def _command_key(state: State, p: Json) -> tuple[str, str]:
    scope = p.get("scope") or {"type": "default"}
    if "chat_id" in scope:
        scope = {**scope, "chat_id": state.chat(scope["chat_id"]).id}
    return json.dumps(scope, sort_keys=True), p.get("language_code", "")


def set_commands(state: State, p: Json) -> bool:
    if len(p["commands"]) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in p["commands"]:
        if not _COMMAND.fullmatch(command["command"]):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= MAX_DESCRIPTION:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    state.commands[_command_key(state, p)] = p["commands"]
    return True


def get_commands(state: State, p: Json) -> list[Json]:
    return state.commands.get(_command_key(state, p), [])


def delete_commands(state: State, p: Json) -> bool:
    state.commands.pop(_command_key(state, p), None)
    return True


def get_chat(state: State, p: Json) -> Json:
    chat = state.open_chat(p["chat_id"])
    gifts = dict.fromkeys(GIFTS, False)
    full = {
        **chat.info,
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": gifts,
    }
    if chat.pinned in chat.messages:
        full["pinned_message"] = chat.messages[chat.pinned]
    return full


def _known_user(state: State, number: int) -> Json:
    if number == state.me["id"]:
        return state.me
    if number not in state.users:
        raise bad_request("user not found")
    return state.users[number]


def get_member(state: State, p: Json) -> Json:
    chat = state.open_chat(p["chat_id"])
    user = _known_user(state, p["user_id"])
    return state.bot_in(chat) if user is state.me else state.member(chat, user["id"])


def get_admins(state: State, p: Json) -> list[Json]:
    chat = state.open_chat(p["chat_id"])
    if chat.kind == "private":
        raise bad_request("there are no administrators in the private chat")
    return [
        member
        for member in chat.members.values()
        if is_admin(member)
        and (
            not member["user"]["is_bot"]
            or member["user"]["id"] == state.me["id"]
            or p.get("return_bots")
        )
    ]


def count_members(state: State, p: Json) -> int:
    chat = state.open_chat(p["chat_id"])
    if chat.kind == "private":
        return 2
    return sum(is_inside(member) for member in chat.members.values())


def _group_with_right(state: State, p: Json, right: str, refusal: str) -> Chat:
    chat = state.open_chat(p["chat_id"])
    if chat.kind == "private" or not state.bot_may(chat, right):
        raise bad_request(refusal)
    return chat


def create_link(state: State, p: Json) -> Json:
    refusal = "not enough rights to manage chat invite link"
    chat = _group_with_right(state, p, "can_invite_users", refusal)
    limit, by_request = p.get("member_limit"), p.get("creates_join_request", False)
    if len(p.get("name", "")) > MAX_LINK_NAME:
        raise bad_request("INVITE_TITLE_INVALID")
    if limit is not None and not 1 <= limit <= MAX_LINK_USES:
        raise bad_request("USAGE_LIMIT_INVALID")
    if limit is not None and by_request:
        raise bad_request(
            "member limit can't be specified for links requiring administrator approval"
        )
    return new_link(state, chat, state.me, p)


def new_link(state: State, chat: Chat, creator: Json, fields: Json) -> Json:
    """Make a link of whoever creates it; also used for links of other administrators."""
    link = {
        "invite_link": f"https://t.me/+{state.new_id()}AbCdEf",
        "creator": creator,
        "creates_join_request": fields.get("creates_join_request", False),
        "is_primary": False,
        "is_revoked": False,
    }
    for name in ("name", "expire_date", "member_limit"):
        if fields.get(name):
            link[name] = fields[name]
    chat.links[link["invite_link"]] = Link(link)
    return link


def revoke_link(state: State, p: Json) -> Json:
    refusal = "not enough rights to manage chat invite link"
    chat = _group_with_right(state, p, "can_invite_users", refusal)
    link = chat.links.get(p["invite_link"])
    if link is None or link.data["creator"]["id"] != state.me["id"]:
        raise bad_request("INVITE_HASH_INVALID")
    link.data["is_revoked"] = True
    return link.data


def _requester(state: State, p: Json) -> tuple[Chat, Json, Json]:
    refusal = "not enough rights to manage chat join requests"
    chat = _group_with_right(state, p, "can_invite_users", refusal)
    user = _known_user(state, p["user_id"])
    if is_inside(state.member(chat, user["id"])):
        raise bad_request("USER_ALREADY_PARTICIPANT")
    if user["id"] not in chat.requests:
        raise bad_request("HIDE_REQUESTER_MISSING")
    return chat, user, chat.requests.pop(user["id"])


def approve(state: State, p: Json) -> bool:
    chat, user, request = _requester(state, p)
    extra: Json = {"via_join_request": True}
    if request.get("invite_link"):
        extra["invite_link"] = request["invite_link"]
    state.set_member(chat, make_member(user, "member"), by=state.me, **extra)
    state.emit_message(chat, state.store(chat, **{"from": user}, new_chat_members=[user]))
    return True


def decline(state: State, p: Json) -> bool:
    _requester(state, p)
    return True


def _punishable(state: State, p: Json) -> tuple[Chat, Json]:
    chat = state.open_chat(p["chat_id"])
    user = _known_user(state, p["user_id"])
    if chat.kind == "private":
        raise bad_request("can't restrict members of a private chat")
    if not state.bot_may(chat, "can_restrict_members"):
        raise bad_request("not enough rights to restrict/unrestrict chat member")
    if user is state.me:
        raise bad_request("can't restrict self")
    member = state.member(chat, user["id"])
    if member["status"] == "creator":
        raise bad_request("can't remove chat owner")
    if is_admin(member):
        raise bad_request("user is an administrator of the chat")
    return chat, user


def set_tag(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    user, tag = _known_user(state, p["user_id"]), p.get("tag", "")
    if chat.kind not in {"group", "supergroup"}:
        raise bad_request("method is available only for groups and supergroups")
    if not state.bot_may(chat, "can_manage_tags"):
        raise bad_request("not enough rights to manage chat member tags")
    member = state.member(chat, user["id"])
    if not is_inside(member) or is_admin(member):
        raise bad_request("tags can be set for regular members only")
    if len(tag) > MAX_TAG or any(category(letter) == "So" for letter in tag):
        raise bad_request("TAG_INVALID")
    member.pop("tag", None)
    if tag:
        member["tag"] = tag
    return True


def restrict(state: State, p: Json) -> bool:
    if state.open_chat(p["chat_id"]).kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    chat, user = _punishable(state, p)
    old = state.member(chat, user["id"])
    until = lasts_until(p.get("until_date", 0), state.clock.now())
    permissions = p["permissions"]
    if all(permissions.get(name) for name in SPEAKING) and is_inside(old):
        # Everything allowed again: the restriction is lifted.
        new = make_member(user, "member")
    else:
        fields = {**permissions, "is_member": is_inside(old), "until_date": until}
        new = make_member(user, "restricted", **fields)
    state.set_member(chat, new, by=state.me)
    return True


def ban(state: State, p: Json) -> bool:
    chat, user = _punishable(state, p)
    inside = is_inside(state.member(chat, user["id"]))
    until = lasts_until(p.get("until_date", 0), state.clock.now())
    state.set_member(chat, make_member(user, "kicked", until_date=until), by=state.me)
    if inside:
        state.store(chat, **{"from": state.me}, left_chat_member=user)
    if p.get("revoke_messages"):
        for number, message in list(chat.messages.items()):
            if message.get("from", {}).get("id") == user["id"]:
                del chat.messages[number]
    return True


def unban(state: State, p: Json) -> bool:
    chat, user = _punishable(state, p)
    status = state.member(chat, user["id"])["status"]
    if status == "kicked" or not p.get("only_if_banned"):
        state.set_member(chat, make_member(user, "left"), by=state.me)
    return True


def pin(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    if chat.kind != "private" and not state.bot_may(chat, "can_pin_messages"):
        raise bad_request("not enough rights to manage pinned messages in the chat")
    if p["message_id"] not in chat.messages:
        raise bad_request("message to pin not found")
    chat.pinned = p["message_id"]
    return True


def leave(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    if chat.kind == "private":
        raise bad_request("chat is not a group or a channel")
    state.set_member(chat, make_member(state.me, "left"), by=state.me)
    return True


METHODS: dict[str, Any] = {
    "getMe": get_me,
    "setMyCommands": set_commands,
    "getMyCommands": get_commands,
    "deleteMyCommands": delete_commands,
    "getChat": get_chat,
    "getChatMember": get_member,
    "getChatAdministrators": get_admins,
    "getChatMemberCount": count_members,
    "createChatInviteLink": create_link,
    "revokeChatInviteLink": revoke_link,
    "approveChatJoinRequest": approve,
    "declineChatJoinRequest": decline,
    "restrictChatMember": restrict,
    "setChatMemberTag": set_tag,
    "banChatMember": ban,
    "unbanChatMember": unban,
    "pinChatMessage": pin,
    "leaveChat": leave,
}
