"""What must hold of a database of Furlong's, whoever looks: an invariant each, by the rooms of the books."""

from collections.abc import Sequence
from typing import Final

from deploy.drill.evidence import Invariant
from deploy.drill.invariants.books import BOOKS
from deploy.drill.invariants.fairness import FAIRNESS
from deploy.drill.invariants.rounds import ROUNDS
from deploy.drill.invariants.schema import SCHEMA
from deploy.drill.invariants.tickets import TICKETS

INVARIANTS: Final[Sequence[Invariant]] = (*SCHEMA, *TICKETS, *BOOKS, *ROUNDS, *FAIRNESS)
"""The schema first: where it is not what it should be, the rest may not be readable."""
