"""What stands behind the game's ports."""
