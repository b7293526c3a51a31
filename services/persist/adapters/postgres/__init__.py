"""PostgreSQL through asyncpg: one file per concept, each statement named and written once."""
