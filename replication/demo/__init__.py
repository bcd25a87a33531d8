"""What `nexus-state demo` runs: three processes share state, one is cut off, one is killed.

    process  one of the three, and the part to read as an example: it opens a node, updates, watches
    proxy    what stands between one of them and the others, and can be cut
    story    starts the processes, does the mischief, and watches
    display  a table of who has what, redrawn while it happens
    verdict  compares what was acknowledged with what is there in the end

What is reported comes from outside the library: each process writes down what a call returned before
it makes the next one, and the verdict reads those journals, that of the killed one included.
"""
