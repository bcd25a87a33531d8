"""`python -m tests.siblings SECONDS [SEED]`: kill processes that share a directory for as long as you like."""

import sys
import tempfile

from tests.siblings.killing import Killing

seconds, seed = float(sys.argv[1]), int((sys.argv[2:] or ["1"])[0])
with tempfile.TemporaryDirectory() as top:
    killing = Killing(f"{top}/store", seed)
    killing.run(seconds)
print(dict(killing.counts))
