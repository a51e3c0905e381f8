"""The one HTTP port: health, metrics, platform webhooks, and the chat room's page."""
