"""A container engine where there is none, and images in place of those that no registry can be asked for.

It is no part of the tests alone: `make images` and the compose stack want an engine as well, on machines that have
nothing but a mirror of packages. `python -m deploy.engine start` gives them one; the tests use the same code. An engine
that already answers is always preferred, and then nothing here is installed or started.
"""
