"""The images that are built: the stages of the Dockerfile, and what is known of each from outside."""

from collections.abc import Mapping
from dataclasses import dataclass

USER = "65532:65532"
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. `serves` is false for those that do one thing and end; `has_wheels` for those that run Python."""

    name: str
    serves: bool = True
    has_wheels: bool = True


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image(name="game"),
        Image(name="cache"),
        Image(name="persist"),
        Image(name="metrics"),
        Image(name="web"),
        Image(name="migrations", serves=False),
        Image(name="setup", serves=False),
        Image(name="gateway", has_wheels=False),
    )
}
"""By the name that is SERVICE in the Dockerfile and the last part of the image's own."""


def reference(name: str, repository: str = "furlong", tag: str = "dev") -> str:
    """What an image is called: `furlong/game:dev`."""
    return f"{repository}/{name}:{tag}"
