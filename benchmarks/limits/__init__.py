"""Physical limits: the same bytes through the bare library, with nothing of ours in between."""
