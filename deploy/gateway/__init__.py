"""The public door: one Envoy configuration for every environment."""
