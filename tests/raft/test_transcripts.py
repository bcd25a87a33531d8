"""Every transcript gives what is written in it.

`REWRITE=1 pytest tests/raft/test_transcripts.py` writes what they give now. Look at the difference, and keep only what
you understand.
"""

import os
from pathlib import Path

import pytest

from tests.raft.script import Script

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    given = replayed(path.read_text())
    if os.environ.get("REWRITE"):
        path.write_text(given)
    assert given == path.read_text()


def replayed(text: str) -> str:
    """The same comments and commands, with what they give."""
    script, out = Script(), []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        commands = lines[: lines.index("----")] if "----" in lines else lines
        out.append("\n".join(commands))
        results = [each for command in commands if not command.startswith("#") for each in script.do(command)]
        if results:
            quiet = [each for each in results if each != "ok"] or ["ok"]
            out[-1] += "\n----\n" + "\n".join(quiet)
    return "\n\n".join(out) + "\n"
