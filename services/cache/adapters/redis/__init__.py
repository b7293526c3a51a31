"""Redis: entries read many at a time, writes that are one script each, topics on streams."""
