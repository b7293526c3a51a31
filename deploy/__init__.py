"""How Furlong is run: locally, in containers, in a cluster."""
