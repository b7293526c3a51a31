"""The command line `furlong`: watch races, place tickets, prove results, run tracks. One file per group of commands.

Exit codes: 0 done, 1 the answer is no (a ticket or a file refused, a proof refuted), 2 an error.
"""

from furlong.client.cli.app import main

__all__ = ["main"]
