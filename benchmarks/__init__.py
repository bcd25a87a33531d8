"""What the figures were made with: `make bench`, or `python -m benchmarks [part ...]`."""
