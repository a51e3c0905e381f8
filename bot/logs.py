"""Logs: JSON lines for machines, short lines for a terminal; never a secret, never a chat text."""

import logging
import sys
from collections.abc import Iterable

from pythonjsonlogger.json import JsonFormatter

_HIDDEN = "***"


class Redact(logging.Filter):
    """Replaces secrets in whatever is logged, also inside exceptions."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secret values."""
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the message and the traceback of a record."""
        record.msg, record.args = self.clean(record.getMessage()), None
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_info, record.exc_text = None, self.clean(trace)
        return True


def set_up(level: str, secrets: Iterable[str]) -> None:
    """Log to standard error, as JSON unless that is a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    else:
        names = {"asctime": "at", "levelname": "level", "name": "from"}
        form = "%(asctime)s %(levelname)s %(name)s %(message)s"
        handler.setFormatter(JsonFormatter(form, rename_fields=names, json_ensure_ascii=False))
    handler.addFilter(Redact(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "telegram", "apscheduler", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It would log what it cannot parse, and members' words may be in that.
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)
