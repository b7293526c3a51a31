"""The rules of keeping: pure values and functions, without clock, chance or I/O."""
