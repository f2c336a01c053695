"""One stage in several processes, on one machine or many: cut its plan into shards, work on each, gather, commit once.

The three calls need nothing of each other but small messages, so any engine can carry them::

    planned = cut(stage, 64)
    sealed = [work_shard(stage, shard) for shard in planned.shards]  # each in a process of its own, in any order
    outcome = gather(stage, planned, sealed)
"""
