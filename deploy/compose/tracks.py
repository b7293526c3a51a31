"""Opens the first tracks, through the gateway as anybody with an operator's token would.

    python -m deploy.compose.tracks HOST:PORT TOKEN_FILE

A deployment that has tracks of its own is left alone. A stack that has just started on a machine that has much to do
may be slow to answer at first, so it is asked again; an opening that was interrupted is completed.
"""

import sys
import time
from pathlib import Path

from furlong.client import FurlongError

from deploy.local.opening import open_first_tracks

OPENING_S = 120.0
PAUSE_S = 1.0


def main(gateway: str, token_file: Path) -> None:
    """Open what is missing and name the tracks. Ends with a sentence where the gateway goes on to refuse."""
    ends_at_s = time.monotonic() + OPENING_S
    while True:
        try:
            print("tracks:", ", ".join(open_first_tracks(gateway, token_file.read_text().strip())))
            return
        except FurlongError as error:
            if time.monotonic() >= ends_at_s:
                sys.exit(f"the first tracks could not be opened: {error}")
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
