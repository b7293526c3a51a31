"""Furlong's own images: what they are built from, how they are built, what is in them, how big and quick they are."""
