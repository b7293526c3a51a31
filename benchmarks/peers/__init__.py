"""Peers: other designs for the same purpose, as well built as they are in the field."""
