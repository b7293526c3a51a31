"""Page sizes as callers give them: 0 means the method's own, more than it gives is taken as the most."""


def page_size(wanted: int, *, default: int, most: int) -> int:
    """Give the size of a page, `wanted` being 0 or more."""
    return min(wanted, most) if wanted else default
