"""`python -m tests.trials NAME`: tries what takes too long for `make test`; ends with 1 if something broke.

Each trial is a module or folder beside this file with `def run(sample: Sample) -> list[str]`: it prints what
it tried and its figures, and returns what broke, one sentence each. A trial ends within half an hour on two
cores: it takes a sample, drawn with a seed that it prints, and says what it left out. FULL=1 leaves nothing
out; SEED=… draws the same sample again.
"""

import argparse
import importlib
import os
import signal
import sys
import time
from typing import Final

from tests.trials.sample import Sample

TRIALS: Final = {
    "faults": "killed processes, full disks, locked and stopped databases, wrong clocks, broken migrations",
    "races": "two or more writers behind one barrier, 10,000 times",
    "mutation": "whether a test fails for each small change of the code that keeps people out",
    "scan": "bandit, wapiti, sqlmap, and a fuzz of every route",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.trials",
        epilog="; ".join(f"{name}: {about}" for name, about in TRIALS.items()),
    )
    parser.add_argument("name", choices=TRIALS)
    name = parser.parse_args(arguments).name
    os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"
    # Ended like Ctrl-C, so that folders, servers and databases of the trial go with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sample = Sample.of(os.environ)
    print(sample)
    began = time.monotonic()
    broken = importlib.import_module(f"tests.trials.{name}").run(sample)
    for sentence in (*sample.left_out, *broken):
        print(sentence)
    print(f"{name}: {len(broken)} broken, {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
