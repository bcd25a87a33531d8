"""One try to have changes of an agent committed, and the callers that wait for what becomes of it.

Compiled because every strong update makes or joins one.
"""

cimport cython

from replication.errors import OutcomeUnknown


def refuse(tickets, error, /):
    """Wake these callers with an error."""
    for ticket in tickets:
        ticket.error = error
        ticket.finish()


def ask_again(op_id, /):
    """What to do about a change that may be committed."""
    if op_id is None:
        return "It has no op_id, so to ask again may apply it twice: read the agent first, and give the next one"
    return "Ask again with the same op_id, which applies it at most once"


@cython.final
cdef class Attempt:
    """Changes that go into the log together.

    base, delta, top, results  as in `entries.Proposal`
    tickets  the callers, woken when there is a verdict
    verdict  see `machine`; "" while there is none
    owner    of `rounds`, which hears of the verdict
    number   what tells it from this node's other attempts; 0 before it is given to the core
    entries  what is put into the log; several if it is too long for one
    put_at   when they were; infinite before the disk has the names of its operations
    """

    def __init__(self, str agent_id not None, base, owner=None):
        self.agent_id = agent_id
        self.base = base
        self.owner = owner
        self.delta = self.top = b""
        self.entries = ()
        self.results = []
        self.tickets = []
        self.verdict = ""
        self.number = 0

    @property
    def op_ids(self):
        """The names of those of the changes that have one."""
        return [result.op_id for result in self.results]

    def refuse(self, error, /):
        """It is not put into the log."""
        refuse(self.tickets, error)

    def fail(self, why, /):
        """There will be no verdict here: the node ends."""
        for ticket in self.tickets:
            if not ticket.is_settled:
                then = ask_again(ticket.op_id)
                ticket.error = OutcomeUnknown(
                    f"the change was put to the group and may or may not be committed: {why}. {then}",
                    op_id=ticket.op_id,
                )
                ticket.finish()
