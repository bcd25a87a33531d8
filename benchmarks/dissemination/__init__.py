"""How changes spread in clusters of 3 to 100,000: `python -m benchmarks.dissemination`.

`measure` runs real nodes in the simulator, `model` is the protocol of rumours alone, for clusters that
are too large for that; `chart` draws both.
"""
