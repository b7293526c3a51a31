"""The rules of the game as pure values and functions: what a round is, how it moves on and how it ends."""
