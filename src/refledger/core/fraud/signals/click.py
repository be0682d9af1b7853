"""How the click was made."""

from refledger.core.emails import words
from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired, not_evaluated

# Fetch Metadata, Sec-Fetch-Dest: everything a page loads without anybody following a link. "empty" is a
# script's fetch. A value outside the list is a browser's novelty, and proves nothing.
_EMBEDDED = words(
    """audio audioworklet embed empty fencedframe font frame iframe image json manifest object paintworklet
    report
    script serviceworker sharedworker style track video webidentity worker xslt"""
)
NO_DESTINATION = not_evaluated("no_destination")  # the snippet's clicks, and older browsers


def not_navigation(case: Case) -> Finding:
    dest = case.click.dest
    if not dest:
        return NO_DESTINATION
    return fired({"loaded_as": dest}) if dest in _EMBEDDED else CLEAR


SIGNALS = (
    Signal(
        "click.not_navigation",
        "the click came from an image, a frame or a script",
        not_navigation,
        (50,),
        "Nobody followed the link: the browser loaded it as part of a page ({loaded_as}).",
        ("journey", "click"),
    ),
)
