"""Furlong in containers on one machine: what the stack needs to be made, opened and renewed."""
