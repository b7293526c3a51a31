"""The rules of the cache: namespaces, entries, marks, the memory that holds them, positions in topics."""
