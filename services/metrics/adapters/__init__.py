"""What metrics talks to."""
