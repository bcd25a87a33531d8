"""The mistakes that `test_planted_bugs.py` plants, each with where it was made before.

`IN_PYTHON` are switched on in `reference.py`. `IN_ENGINE` are edits of the real sources: each is
built in a directory of its own and must make the quick properties fail.
"""

from __future__ import annotations

from typing import NamedTuple


class Planted(NamedTuple):
    type: str
    bug: str
    source: str  # who shipped it, or what it would mean


IN_PYTHON = (
    Planted("ORSet", "an element present on both sides stays whole", "riak_dt#82: compare dots, not presence"),
    Planted("ORSet", "descends where strictly descends was meant", "riak_dt#78: deleted entries came back"),
    Planted("ORSet", "a removal is not sent", "removals are the context without the entry"),
    Planted("ORSet", "a delta that comes early is forgotten", "riak_dt#99, riak_dt PR#113: deferred removes lost"),
    Planted("ORSet", "a delta lands without its base", "what a context claims must have been seen"),
    Planted("ORSet", "merge looks at no context", "a grow-only set in disguise"),
    Planted("ORSet", "adding again takes no fresh dot", "a concurrent remove wins over the second add"),
    Planted("ORSet", "remove does nothing", "commutative, associative, idempotent, and wrong"),
    Planted("ORSet", "a fork keeps its writer's name", "duplicate replica id after a process fork or VM clone"),
    Planted("ORMap", "a delete takes concurrent updates along", "riak_kv#1360: delete against concurrent update"),
    Planted("ORMap", "a delete misses what is below", "reset-remove must reset"),
    Planted(
        "ORMap",
        "a child made again counts from where it began",
        "akka PR#22508: the ORMap delta lost the child's version vector after a remove",
    ),
    Planted("LWWMap", "a delete is stamped zero", "riak_dt PR#53: reset to timestamp 0 is not monotonic"),
    Planted("LWWMap", "a delete removes the row", "a late older write comes back"),
    Planted("LWWMap", "ties go to the last to arrive", "replicas disagree for ever"),
    Planted("LWWMap", "stamps are the wall clock", "a clock set back loses the newer write"),
    Planted("LWWMap", "received stamps do not move the clock", "a write loses to one it has seen"),
    Planted("MVRegister", "merge looks at no context", "rust-crdt#10: overwritten values come back"),
    Planted("MVRegister", "a write keeps what it has seen", "siblings for ever"),
    Planted("GCounter", "counts are added as floats", "loro state/counter_state.rs: f64 loses units past 2**53"),
    Planted("GCounter", "equal increments are one", "two writers' equal counts are two counts"),
    Planted("GCounter", "a fork keeps its writer's name", "duplicate replica id: counts vanish"),
    Planted("Text", "siblings are ordered by writer alone", "interleaving: Fugue paper, section 4"),
    Planted("Text", "the right origin skips what was deleted", "order differs from FugueMax around tombstones"),
)


class Mutant(NamedTuple):
    bug: str
    source: str
    file: str  # below crdt/
    old: str
    new: str
    found_by: str  # what finds it at the latest: a file of properties, and words for its -k


IN_ENGINE = (
    Mutant(
        "an element present on both sides stays whole",
        "riak_dt#82: compare dots, not presence",
        "engine/table_decode.c",
        "if (superseded == NO_ROW && is_covered(",
        "if (g->n == 0 && superseded == NO_ROW && is_covered(",
        "test_models.py ORSet",
    ),
    Mutant(
        "what was removed comes back with a late add",
        "riak_dt#78: deleted entries came back",
        "engine/table_decode.c",
        "        if (is_seen(&j->doc->replicas, dot))\n            continue; /* we had it and removed it */",
        "",
        "test_merge_laws.py ORSet",
    ),
    Mutant(
        "a removal takes concurrent adds along",
        "riak_kv#1360: delete against concurrent update",
        "engine/table_decode.c",
        "superseded == NO_ROW && is_covered(j->tops, t->dot[row]) && entry_with",
        "superseded == NO_ROW && entry_with",
        "test_scenarios.py",
    ),
    Mutant(
        "a full state removes what its sender never saw",
        "the context decides, not absence alone",
        "engine/table_decode.c",
        "} else if (!was_kept(j, row) && is_covered(j->tops, t->dot[row])) {",
        "} else if (!was_kept(j, row)) {",
        "test_models.py ORSet",
    ),
    Mutant(
        "removals are left out of deltas",
        "riak_dt#99, riak_dt PR#113: removes lost",
        "engine/table_encode.c",
        "if (!is_news(te->e, log->all[i].event))",
        "if (log != NULL)",
        "test_scenarios.py",
    ),
    Mutant(
        "the cut log of removals is believed to be whole",
        "chitchat's last_gc_version: a delta cannot say what was forgotten",
        "engine/removals.c",
        "    for (u32 i = 0; i < log->horizon_n; i++)\n        if (log->horizon[i] >",
        "    for (u32 i = 0; i < log->horizon_n; i++)\n        if (n > REPLICAS_MAX && log->horizon[i] >",
        "test_long_histories.py ORSet",
    ),
    Mutant(
        "adding again takes no fresh dot",
        "a concurrent remove wins over the second add",
        "engine/table_edit.h",
        "if (row != NO_ROW && !is_dot_store(&t->base))",
        "if (row != NO_ROW)",
        "test_scenarios.py",
    ),
    Mutant(
        "a write keeps the siblings it has seen",
        "rust-crdt#10: MVReg without context",
        "engine/edits.c",
        "    if (n > 1)\n        first = remove_siblings(doc, t, &p);\n    row_rewrite",
        "    row_rewrite",
        "test_models.py MVRegister",
    ),
    Mutant(
        "ties go to the last to arrive",
        "replicas disagree for ever",
        "engine/table_decode.c",
        "        order = dot_compare(&j->doc->replicas, dot, t->dot[row]);\n        Item held",
        "        order = t->dot[row] != dot;\n        Item held",
        "test_models.py LWW",
    ),
    Mutant(
        "stamps are the wall clock",
        "riak_dt PR#53: stamps must never fall",
        "engine/clock.h",
        "return now > last ? now : last + 1;",
        "return last == now ? now + 1 : now;",
        "test_models.py LWW",
    ),
    Mutant(
        "received stamps do not move the clock",
        "a write loses to one it has seen",
        "engine/message.c",
        "if (d->latest_stamp > doc->stamp)",
        "if (doc->stamp == 0)",
        "test_models.py LWW",
    ),
    Mutant(
        "a delta lands without its base",
        "what a context claims must have been seen",
        "engine/message.c",
        "if (d->writers[i].base > held)",
        "if (false && d->writers[i].base > held)",
        "test_models.py GSet",
    ),
    Mutant(
        "a delta that comes early is forgotten",
        "riak_dt#99: deferred operations lost",
        "document.pyx",
        "            self._hold_back(data)\n            return False",
        "            return False",
        "test_models.py GSet",
    ),
    Mutant(
        "merging adds counts",
        "a counter's join is the maximum",
        "engine/counter.c",
        "raise_to(&held->up, s->up);",
        "held->up += s->up;",
        "test_models.py GCounter",
    ),
    Mutant(
        "a delete misses the counts below",
        "reset-remove must reset",
        "engine/edits_nested.c",
        "c->slot[i].up_floor = c->slot[i].up;",
        "c->slot[i].up_floor = c->slot[i].up_floor;",
        "test_models.py GCounter",
    ),
    Mutant(
        "a delete's floors are lost in a merge",
        "akka PR#22508: the delta lost what the child must remember after a remove",
        "engine/counter.c",
        "raise_to(&held->up_floor, s->up_floor);",
        "",
        "test_models.py GCounter",
    ),
    Mutant(
        "siblings are ordered by writer alone",
        "Fugue paper, section 4: interleaving",
        "engine/sequence_integrate.c",
        "scanning = rights < 0;",
        "scanning = false;",
        "test_models.py Text",
    ),
    Mutant(
        "ties between writers go the other way",
        "the contract orders them by name",
        "engine/sequence_integrate.c",
        "dot_compare(s->replicas, dot, runs_dot(&s->runs, other)) < 0",
        "dot_compare(s->replicas, dot, runs_dot(&s->runs, other)) > 0",
        "test_models.py Text",
    ),
    Mutant(
        "bytes after a message are ignored",
        "loro#952, automerge#498: what is not understood whole must be refused whole",
        "engine/message.c",
        "reader_left(&d->in) != 0)\n        return refuse",
        "false)\n        return refuse",
        "test_wire.py truncation",
    ),
    Mutant(
        "the checksum is not looked at",
        "damage passes for news",
        "engine/message.c",
        "if (load32(r->p) != message_checksum(",
        "if (false && load32(r->p) != message_checksum(",
        "test_wire.py flipped",
    ),
    Mutant(
        "deletions are purged above the cut",
        "purge before stability: Wuu and Bernstein 1984",
        "engine/growth.c",
        "if (row >= t->n || !is_deletion(t, row) || !is_below(s, t->dot[row]))",
        "if (row >= t->n || !is_deletion(t, row))",
        "test_growth.py LWWMap",
    ),
    Mutant(
        "a cut is not told to those who lack the purge",
        "chitchat's last_gc_version: a delta cannot say what was forgotten",
        "engine/growth_wire.c",
        "is_news |= since[i] < g->purged || since[i] < g->cut;",
        "is_news |= since[i] < g->cut;",
        "test_growth.py told_of",
    ),
    Mutant(
        "what lost to a purged deletion is taken for new",
        "riak_dt#78: deleted entries came back",
        "engine/table_decode.c",
        "is_seen(&j->doc->replicas, dot) && (row == NO_ROW || t->dot[row] != dot)",
        "is_seen(&j->doc->replicas, dot) && row != NO_ROW && t->dot[row] != dot",
        "test_growth.py late_where",
    ),
    Mutant(
        "a purged count is joined with one that began anew",
        "akka#22606: failing while dead replicas are pruned",
        "engine/counter.c",
        "if (d->writers[place].forgotten || slot_is_purged(doc, &s))",
        "if (d->writers[place].forgotten)",
        "test_growth.py count or removal",
    ),
    Mutant(
        "a count is purged before all have seen its removal",
        "akka#22606: failing while dead replicas are pruned",
        "engine/growth.c",
        "is_below(s, slot->floored) && is_below(",
        "is_below(",
        "test_growth.py count or removal",
    ),
    Mutant(
        "deleted elements are taken out when they are announced",
        "who has not heard of it may take one as an origin still",
        "engine/sequence_purge.c",
        "if (is_stable(s->replicas, c.by) || (higher",
        "if (true || is_stable(s->replicas, c.by) || (higher",
        "test_purged_elements.py",
    ),
    Mutant(
        "an element is taken out that another has as an origin",
        "garbage collection that breaks the order of what is left",
        "engine/sequence_purge.c",
        "    if (needed[run] <= origin)\n",
        "    if (needed[run] > origin)\n",
        "test_purged_elements.py",
    ),
    Mutant(
        "what is condemned is taken as an origin",
        "a purge that nobody heeds",
        "engine/sequence_edit.c",
        "s->condemned.n == 0 || insert->right == NOTHING ? DONE",
        "true ? DONE",
        "test_purged_elements.py",
    ),
    Mutant(
        "elements are taken out before what needs them has landed",
        "a message brings the purge and an element beside what it condemns",
        "engine/growth.c",
        ".spares_elements = true",
        ".spares_elements = false",
        "test_purged_elements.py",
    ),
    Mutant(
        "an element that was taken out comes back with an old delta",
        "tombstones that go too early resurrect",
        "engine/sequence_apply.c",
        "    if (sequence > gone)\n        return 0;\n",
        "    if (sequence > 0 || sequence > gone)\n        return 0;\n",
        "test_purged_elements.py",
    ),
    Mutant(
        "below a map it is not told what was condemned",
        "news without an entry of its own",
        "engine/table_encode.c",
        "return news || (te->e->tells_condemned &&",
        "return news || (false && te->e->tells_condemned &&",
        "test_purged_elements.py",
    ),
    Mutant(
        "of two purges that condemned an element the one that was heard first stays",
        "what is held must not depend on the order of arrival",
        "engine/sequence_condemned.c",
        "dot_compare(r, one.by, other.by) <= 0 ? one : other",
        "one",
        "test_purged_elements.py",
    ),
    Mutant(
        "who missed a purge keeps the elements that it took out",
        "chitchat's last_gc_version: a delta cannot say what was forgotten",
        "engine/message.c",
        "d->replaces = doc->is_behind;",
        "d->replaces = false;",
        "test_purged_elements.py",
    ),
    Mutant(
        "a fork keeps its writer's name",
        "duplicate replica id after a process fork or VM clone",
        "document.pyx",
        "        copy.root.take_name()\n",
        "",
        "test_scenarios.py",
    ),
)
