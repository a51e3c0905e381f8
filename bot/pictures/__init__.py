"""Pictures: values of `content.picture` drawn as PNG, beside the event loop, and kept a while."""

from bot.pictures.studio import PictureError, Pictures

__all__ = ["PictureError", "Pictures"]
