"""The shell around the figures and traces: gives them the time, and tells which metric feeds which figure."""
