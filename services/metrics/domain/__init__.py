"""What figures and traces are, and the rules by which they are kept. Pure values; no clock, no wire."""
