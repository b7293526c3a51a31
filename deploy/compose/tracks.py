"""Opens the first tracks, through the gateway as anybody with an operator's token would.

    python -m deploy.compose.tracks HOST:PORT TOKEN_FILE

A deployment that has tracks of its own is left alone.
"""

import sys
from pathlib import Path

from furlong.client import FurlongError

from deploy.local.opening import open_first_tracks


def main(gateway: str, token_file: Path) -> None:
    """Open what is missing and name the tracks. Ends with a sentence where the gateway refuses."""
    try:
        print("tracks:", ", ".join(open_first_tracks(gateway, token_file.read_text().strip())))
    except FurlongError as error:
        sys.exit(f"the first tracks could not be opened: {error}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
