"""The installation's secret: set by the operator, else made once and kept beside the store."""

import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy.engine import make_url

from bot.config import SECRET_MIN, Settings, SettingsError

NAME = "secret.key"
_SERVERLESS = Path("data")


def installation_secret(settings: Settings) -> bytes:
    """Return what signs links and marks accounts. Errors: SettingsError when it cannot be kept."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = _folder(settings.database_url) / NAME
    try:
        if not path.exists():
            _make(path)
        found = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"QUNYING_SECRET_KEY: is not set, and {path}: {error}") from error
    if len(found) < SECRET_MIN:
        raise SettingsError(f"QUNYING_SECRET_KEY: is not set, and {path} holds no secret")
    return found.encode()


def _folder(url: str) -> Path:
    """Return where it is kept: beside the file of SQLite, in `data/` where there is a server."""
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite":
        return _SERVERLESS
    return Path(str(parts.database).removeprefix("file:")).parent


def _make(path: Path) -> None:
    """Put a new one there, whole; of two processes that do so at once, the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as file:  # its owner's alone
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
