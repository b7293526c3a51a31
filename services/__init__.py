"""The servers of Furlong, run from the source tree as `python -m services.<name>`."""
