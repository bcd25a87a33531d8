"""`python -m tests.siblings SECONDS [SEED]`: kill processes that share a directory for as long as you like."""

import argparse
import tempfile

from tests.siblings.killing import Killing

parser = argparse.ArgumentParser(prog="python -m tests.siblings", description=__doc__)
parser.add_argument("seconds", type=float)
parser.add_argument("seed", type=int, nargs="?", default=1)
options = parser.parse_args()
with tempfile.TemporaryDirectory() as top:
    killing = Killing(f"{top}/store", options.seed)
    killing.run(options.seconds)
print(dict(killing.counts))
