"""The dashboard asks for what the services send."""

import json
from collections import Counter

from deploy.observability.dashboard import FILE, PANELS, rendered


def test_the_file_says_what_the_code_says() -> None:
    assert FILE.read_text() == rendered(), "run `python -m deploy.observability.dashboard`"


def test_panels_are_told_apart_and_do_not_cover_one_another() -> None:
    panels = json.loads(FILE.read_text())["panels"]
    places = Counter((panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels)

    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert set(places.values()) == {1}
    assert all(panel.means for panel in PANELS)
