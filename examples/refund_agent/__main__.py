"""`python -m refund_agent --port P --state DIR [--faults] [--eval-every SECONDS]`."""

import argparse
import threading
from pathlib import Path

import uvicorn

from refund_agent import library
from refund_agent.app import Service, service


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        prog="refund_agent", description="A small AI service that can be broken."
    )
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument(
        "--state", type=Path, default=Path(".refund-agent"), help="levers, traces and access log"
    )
    parser.add_argument("--faults", action="store_true", help="let it be broken on purpose, over HTTP")
    parser.add_argument(
        "--eval-every", type=float, default=0.0, help="seconds between golden evals; 0: only asked for"
    )
    arguments = parser.parse_args()
    library.warm_up()
    made = service(arguments.state, faults=arguments.faults)
    made.evaluate()  # the gate of a deployment
    stop = threading.Event()
    if arguments.eval_every > 0:
        threading.Thread(
            target=_keep_evaluating, args=(made, arguments.eval_every, stop), daemon=True
        ).start()
    uvicorn.run(made.app(), host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)
    stop.set()


def _keep_evaluating(made: Service, seconds: float, stop: threading.Event) -> None:
    while True:
        made.evaluate()
        if stop.wait(seconds):
            return


if __name__ == "__main__":
    main()
