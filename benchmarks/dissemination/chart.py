"""The chart of what an update costs by cluster size."""

from typing import Any

from benchmarks.chart import Line, Panel, draw


def dissemination(results: dict[str, Any]) -> str:
    """What an update costs its writer and each node, and how long it takes, against cluster size."""

    def points(part: str, key: str, **of: Any) -> list[tuple[float, float]]:
        return [
            (row["nodes"], row[key]) for row in results[part] if all(row[name] == each for name, each in of.items())
        ]

    gossip, direct, lossy = {"mode": "eventually_consistent"}, {"mode": "crdt_enhanced"}, {"loss": 0.2}
    calm = {"loss": 0.0}
    writer = Panel("messages by the writer for an update", "messages", [
        Line("direct, measured", points("measured", "writer_messages", **direct, **calm), "#b3402a"),
        Line("rumours, measured", points("measured", "writer_messages", **gossip, **calm), "#2a6cb3"),
    ], 1.0, 100.0)  # fmt: skip
    rounds = Panel("gossip rounds until nodes have it, 20 % loss", "rounds of 0.2 s", [
        Line(f"{key}, model", points("model", key, **lossy), colour)
        for key, colour in (("max", "#b3402a"), ("p99", "#2a6cb3"), ("p50", "#3c8f3c"))
    ] + [
        Line(f"{key}, real nodes", points("measured", key, **gossip, **lossy), colour, joined=False)
        for key, colour in (("max", "#b3402a"), ("p99", "#2a6cb3"), ("p50", "#3c8f3c"))
    ], 0.01, 100.0)  # fmt: skip
    cost = Panel("bytes sent by a node for an update", "bytes", [
        Line("rumours, model", points("model", "node_bytes", **lossy), "#2a6cb3"),
        Line("rumours, real nodes", points("measured", "node_bytes", **gossip, **lossy), "#2a6cb3", joined=False),
    ], 100.0, 10_000.0)  # fmt: skip
    return draw([writer, rounds, cost])
