"""Pictures: what is drawn, from which fonts, and how long it is kept."""
