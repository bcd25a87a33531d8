"""What an operator must know, in words."""

import logging

_log = logging.getLogger("replication")
# Those that status() shows; the oldest goes when there are more.
_PROBLEMS_MAX = 100


class Problems(dict[str, str]):
    """By what they are about, the newest words of each."""

    def tell(self, key: str, text: str) -> None:
        """Said once, and shown in status()."""
        if key not in self:
            _log.error("%s", text)
        self[key] = text
        if len(self) > _PROBLEMS_MAX:
            del self[next(iter(self))]


def same_version(agent_id: str, peer: str, what: str) -> str:
    return (
        f"agent {agent_id!r}: at one version, which stands for one state, here and at {peer!r} {what}. Two nodes wrote "
        "under one writer's name (a store that was copied while in use, a replica id that was given out twice), or "
        "bytes were damaged: end the cause, and look at what the agent holds now"
    )
