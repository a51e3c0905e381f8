"""Photos: what may be uploaded, what the server keeps of it, and messages that change theirs."""

import struct
from typing import Any

from .errors import ApiError, bad_request
from .messaging import MAX_CAPTION, _content, _edit, _markup, _own_message, _send
from .schema import Upload
from .state import Json, State

MAX_PHOTO = 10 * 1024 * 1024
MAX_SIDES = 10_000
"""Width and height together, in pixels."""
MAX_RATIO = 20
PREVIEW = 320
_PNG = b"\x89PNG\r\n\x1a\n"
_ATTACHED = "attach://"


def _sides(upload: Upload) -> tuple[int, int]:
    """Width and height of an upload, or the refusal that it meets."""
    if not upload.size:
        raise bad_request("file must be non-empty")
    if upload.size > MAX_PHOTO:
        raise ApiError(413, "Request Entity Too Large")
    if not upload.content.startswith(_PNG):
        raise bad_request("IMAGE_PROCESS_FAILED")
    width, height = struct.unpack(">II", upload.content[16:24])
    if width + height > MAX_SIDES or max(width, height) > MAX_RATIO * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return width, height


def _store(state: State, photo: Any) -> list[Json]:
    """Give a photo's sizes, the largest last: of an upload, or of one that is here already."""
    if isinstance(photo, str) and "://" not in photo:
        if photo not in state.photos:
            raise bad_request("wrong remote file identifier specified: Wrong padding in the string")
        return state.photos[photo]
    if not photo:
        raise bad_request("file must be non-empty")
    width, height = _sides(photo) if isinstance(photo, Upload) else (640, 480)
    number = state.new_id()
    scale = min(1.0, PREVIEW / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    sizes = [
        {
            "file_id": f"photo{number}{mark}",
            "file_unique_id": f"u{number}{mark}",
            "width": wide,
            "height": high,
            "file_size": photo.size if isinstance(photo, Upload) and mark == "x" else 1,
        }
        for mark, (wide, high) in (("m", small), ("x", (width, height)))
    ]
    for size in sizes:
        state.photos[size["file_id"]] = sizes
    if isinstance(photo, Upload):
        state.uploads.append(photo)
    return sizes


def send_photo(state: State, p: Json) -> Json:
    chat = state.open_chat(p["chat_id"])
    text, entities = _content(state, p, field="caption", most=MAX_CAPTION)
    bot = state.bot_in(chat)
    if bot["status"] == "restricted" and not bot["can_send_photos"]:
        raise bad_request("not enough rights to send photos to the chat")
    content = {
        "photo": _store(state, p["photo"]),
        "caption": text or None,
        "caption_entities": entities or None,
    }
    return _send(state, "sendPhoto", p, content, chat)


def edit_media(state: State, p: Json) -> Json | bool:
    """Change a message's photo, or make one of a text; what is under it changes as well."""
    _, message = _own_message(state, p)
    media = p["media"]
    if media["type"] != "photo":
        state.unsupported.append(f"editMessageMedia to {media['type']}")
        raise ApiError(501, f"Not Implemented: the fake cannot make it a {media['type']}")
    text, entities = _content(state, media, field="caption", most=MAX_CAPTION)
    source = media["media"]
    if source.startswith(_ATTACHED):
        source = p.get(source.removeprefix(_ATTACHED), "")
    changes = {
        "photo": _store(state, source),
        "caption": text or None,
        "caption_entities": entities or None,
        "reply_markup": _markup(p),
    }
    was_text = {"text": None, "entities": None} if "text" in message else {}
    return _edit(state, "editMessageMedia", p, changes | was_text)


def edit_caption(state: State, p: Json) -> Json | bool:
    _, message = _own_message(state, p)
    if "photo" not in message:
        raise bad_request("there is no caption in the message to edit")
    text, entities = _content(state, p, field="caption", most=MAX_CAPTION)
    changes = {
        "caption": text or None,
        "caption_entities": entities or None,
        "reply_markup": _markup(p),
    }
    return _edit(state, "editMessageCaption", p, changes)


METHODS: dict[str, Any] = {
    "sendPhoto": send_photo,
    "editMessageMedia": edit_media,
    "editMessageCaption": edit_caption,
}
