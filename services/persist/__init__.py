"""persist keeps what must never be lost: tracks, rounds, tickets, accounts. It decides on acceptance."""
