"""Strong updates in three processes on loopback, beside etcd and PySyncObj, in one run.

cases         what is measured of each system, and how a call's time is taken
floor         what the machine takes for the parts of which no update can do without
processes     a process of its own that does what it is told
nexus_state etcd pysyncobj_peer    the systems
leader_killed how long until writes succeed again
report        the table, and the files in benchmarks/results
"""
