"""Benchmarks: one module a question, each answer measured beside its physical limit in the same run."""
