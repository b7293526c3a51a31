"""The images of others that everything is built from or stands beside, as `bases.env` pins them."""

from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("bases.env")


def read(file: Path = FILE) -> Mapping[str, str]:
    """The references by the name of their variable, as `POSTGRES_IMAGE`."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def without_digest(reference: str) -> str:
    """`name:tag` of `name:tag@digest`: what a stand-in is called, which cannot have that digest."""
    return reference.partition("@")[0]
