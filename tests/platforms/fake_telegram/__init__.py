"""A Telegram Bot API server for tests, as strict as the documented one."""

from .errors import ApiError, FakeBroken
from .limits import Limits
from .schema import SCHEMA_PATH, Schema, Upload
from .server import TOKEN, FakeTelegram
from .state import Call, Sent
from .webhook import Attempt

__all__ = [
    "SCHEMA_PATH",
    "TOKEN",
    "ApiError",
    "Attempt",
    "Call",
    "FakeBroken",
    "FakeTelegram",
    "Limits",
    "Schema",
    "Sent",
    "Upload",
]
