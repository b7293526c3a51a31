"""web: serves the pages of `web/`."""
