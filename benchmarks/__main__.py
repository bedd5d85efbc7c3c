"""`make bench`, or `python -m benchmarks [NAME]`: measure what the documents claim.

history   what one incident costs in Temporal's history, and how that grows with alarms (docs/architecture.md)
firebreak how long from a decision to its effect, beside a bare script (docs/levers.md)
snapshot  how long until the evidence is sealed, and how much memory a big artifact takes (docs/evidence.md)
board     what its pages cost, of 500 open incidents and with 200 viewers of one (docs/board.md)
audit     how long the audit of a thousand incidents takes, beside the bare Replayer (docs/audit.md)
watch     how often the watch rings falsely, and how long a drop takes to be seen, simulated (docs/watch.md)
storm     how many alarms a second are acknowledged, and that none is lost or counted twice (docs/storms.md)
"""

import argparse
from collections.abc import Callable

from benchmarks import audit, board, firebreak, history, snapshot, storm, watch

ALL: dict[str, Callable[[], None]] = {
    "history": history.main,
    "firebreak": firebreak.main,
    "snapshot": snapshot.main,
    "board": board.main,
    "audit": audit.main,
    "watch": watch.main,
    "storm": storm.main,
}


def main() -> None:
    """Run the one that was named, or all."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; all without one")
    for name in parser.parse_args().names or ALL:
        ALL[name]()


if __name__ == "__main__":
    main()
