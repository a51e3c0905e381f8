"""Chat member objects with every field that their status requires."""

from typing import Any

ADMIN_RIGHTS = [
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
    "can_manage_topics",
    "can_manage_tags",
]
PERMISSIONS = [
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
]
SPEAKING = [name for name in PERMISSIONS if name.startswith(("can_send", "can_add"))]
#: Rights that an ordinary administrator is not given unless a test names them.
_RARE = frozenset({"can_promote_members"})


def make_member(user: dict[str, Any], status: str, **fields: Any) -> dict[str, Any]:
    """Build a ChatMember of this status; fields override the usual rights."""
    base = {"status": status, "user": user}
    if status == "creator":
        base["is_anonymous"] = False
    elif status == "administrator":
        base |= {"can_be_edited": False, "is_anonymous": False}
        base |= {right: right not in _RARE for right in ADMIN_RIGHTS}
    elif status == "restricted":
        base |= {"is_member": True, "until_date": 0}
        base |= dict.fromkeys(PERMISSIONS, False)
    elif status == "kicked":
        base["until_date"] = 0
    return base | fields


def is_inside(member: dict[str, Any]) -> bool:
    """Whether someone of this status is in the chat."""
    if member["status"] == "restricted":
        return member["is_member"]
    return member["status"] not in {"left", "kicked"}


def is_admin(member: dict[str, Any]) -> bool:
    """Whether someone of this status runs the chat."""
    return member["status"] in {"creator", "administrator"}


def may(member: dict[str, Any], right: str) -> bool:
    """Whether a member has an administrator's right."""
    return member["status"] == "creator" or (is_admin(member) and bool(member.get(right)))


def lasts_until(until: int, now: float) -> int:
    """Read an until_date as the server does: under 30 s or over 366 days away is for ever."""
    return until if 30 <= until - now <= 366 * 86_400 else 0
