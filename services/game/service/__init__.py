"""The gRPC edge of the game: each method parses, calls the engine or a port, and renders."""
