"""What `nexus-state demo` runs: three processes share state, one is cut off, two are killed.

    process  one of the three, and the part to read as an example: it opens a node, updates, watches
    board    what they work on together: tasks, each of which one of them claims
    claims   compares who was told to have which task with what the board says
    child    a process with a node, as the story has started it
    proxy    what stands between one of them and the others, and can be cut
    story    starts the processes, does the mischief, and watches
    display  a table of who has what, redrawn while it happens
    verdict  compares what was acknowledged with what is there in the end

What is reported comes from outside the library: each process writes down what a call returned before
it makes the next one, and the verdict reads those journals, those of the killed ones included.
"""
