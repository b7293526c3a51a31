"""The schema, step by step, each step with its way back. Run by `python -m services.persist.migrate`."""
