"""persist behind the game's ports: one class a port, one table of errors, one place where values meet the wire."""
