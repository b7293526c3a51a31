"""A stack at work, to be looked at: punters that place tickets through the gateway, and a board in the terminal."""
