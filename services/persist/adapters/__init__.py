"""Where the ports of persist lead."""
