"""The log of the `replicated` mode: Raft, as a pure core.

It decides who leads, what the log holds and which of it is committed; what an entry means it does not know. It
reads no clock, draws no randomness of its own, writes no disk and sends nothing: see `core`.

Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (the paper), and Ongaro's
dissertation, "Consensus: Bridging Theory and Practice".
"""
