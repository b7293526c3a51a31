"""game: tracks, rounds' life cycle, prices, the draw, results and the live watch."""
