"""One run from one seed; `python -m replication.simulation` makes many.

A run has two phases. First clients work while faults strike, and the observer checks after every
event. Then every fault ends, and within a bounded time all nodes must hold the same, with
everything in it that was promised to anybody.
"""

from random import Random
from typing import Any, NamedTuple

from replication.simulation.cluster import Cluster
from replication.simulation.invariants import Observer
from replication.simulation.ledger import Everything, Ledger, Violation
from replication.simulation.nemesis import Nemesis, draw_conditions, draw_write_modes
from replication.simulation.workload import Load, Workload
from replication.simulation.world import Stuck, Trace


class Plan(NamedTuple):
    """How large the runs are."""

    nodes_min: int = 2
    nodes_max: int = 4
    load: Load = Load()
    # Virtual seconds of faults, and those in which all must agree afterwards.
    faults: float = 6.0
    recovery: float = 200.0
    # More events than this, and the nodes keep each other busy with nothing.
    events_max: int = 100_000


SMALL = Plan()


class Outcome(NamedTuple):
    """What a run was made of."""

    seed: int
    nodes: int
    events: int
    virtual_seconds: float
    frames: int
    operations: int
    outcomes: dict[str, int]
    strikes: dict[str, int]
    looks: dict[str, int]
    # Virtual seconds from the end of all faults until all nodes agreed.
    recovered_within: float
    trace: str


def run(seed: int, plan: Plan = SMALL, trace: Trace | None = None) -> Outcome:
    """Run one seed. Violation or Stuck if something is wrong; the same every time."""
    draw = Random(f"{seed}/plan")
    names = "abcdefghij"[: draw.randint(plan.nodes_min, plan.nodes_max)]
    cluster = Cluster(
        Everything,
        names,
        seed=seed,
        conditions=draw_conditions(draw),
        write_modes=draw_write_modes(draw, len(names)),
        disk_seconds=draw.choice((0.0001, 0.001, 0.01)),
        trace=trace,
        **_draw_limits(draw),
    )
    try:
        return _run(seed, plan, cluster)
    finally:
        cluster.close()


def _run(seed: int, plan: Plan, cluster: Cluster) -> Outcome:
    world, ledger = cluster.world, Ledger()
    observer = Observer(cluster, plan.events_max)
    workload = Workload(cluster, ledger, plan.load, observer.acknowledged)
    nemesis = Nemesis(cluster)
    cluster.run(plan.faults)
    nemesis.stop()
    workload.stop()
    world.note("all faults end")
    cluster.recover()
    healed_at = world.now
    try:
        cluster.run_until(
            lambda: workload.is_idle() and cluster.is_quiet() and cluster.all_are_members(), plan.recovery
        )
    except Stuck as error:
        raise Violation(f"{plan.recovery} s after all faults ended, {cluster.disagreement()}") from error
    recovered_within = world.now - healed_at
    ledger.kept_by({name: host.boots for name, host in cluster.hosts.items()})
    for agent_id in ledger.agents():
        ledger.check(agent_id, cluster.values(agent_id)[0])
        for name in cluster.names:
            cluster[name].read_state(agent_id).check_invariants()
    return Outcome(
        seed=seed,
        nodes=len(cluster.names),
        events=world.events,
        virtual_seconds=world.now,
        frames=cluster.network.frames,
        operations=len(ledger.operations),
        outcomes=workload.outcomes,
        strikes=nemesis.strikes,
        looks=observer.looks,
        recovered_within=recovered_within,
        trace=world.trace.hexdigest() if world.trace else "",
    )


def _draw_limits(draw: Random) -> dict[str, Any]:
    """Limits for a run: short times, so that much happens in it, and some bounds small enough to be met."""
    limits: dict[str, Any] = {
        "flush_interval": draw.choice((0.0, 0.005, 0.1)),
        "tick_interval": draw.choice((0.1, 0.25)),
        **_SHORT_TIMES,
        "dead_kept": draw.choice((86400.0, 86400.0, 1.0)),
    }
    for name, value in _SMALL_BOUNDS.items():
        if draw.random() < 0.15:
            limits[name] = value
    return limits


# Shorter than the defaults, so that much happens in a run of seconds; and purges of anything.
_SHORT_TIMES = {
    "memory_wait": 2.0,
    "probe_interval": 0.5,
    "probe_timeout": 0.3,
    "push_pull_interval": 3.0,
    "redial_max": 1.0,
    "link_handshake_timeout": 2.0,
    "link_stall_timeout": 3.0,
    "ack_timeout": 0.4,
    "ack_timeout_max": 2.0,
    "sync_interval": 0.5,
    "sync_ask_timeout": 1.0,
    "sync_wait_max": 4.0,
    "transfer_retry": 0.4,
    "transfer_keep": 4.0,
    "purge_interval": 0.2,
    "purge_min": 1,
}
_SMALL_BOUNDS = {
    "flush_bytes_max": 1000,
    "max_agents_in_memory": 6,
    "compaction_rows_max": 2,
    "compaction_bytes_min": 0,
    "operations_max": 10,
    "message_bytes_max": 200,
    "channel_bytes_max": 600,
    "held_back_bytes_max": 300,
    "behind_max": 3,
    "behind_asked_max": 1,
    "rumours_max": 3,
    "rumour_bytes_max": 100,
    "sync_message_bytes": 1000,
    "sync_asks_max": 2,
    "sync_loads_max": 2,
    "chunk_bytes": 64,
    "transfers_max": 1,
}
