"""Following log files: lines as they are written, to the exporter, over rotations and restarts.

``position`` says where a reader is, in terms of content; ``rotated`` finds where content went that was moved
or copied away; ``tail`` reads one path, whatever happens to its file; ``checkpoint`` remembers, durably, what
the exporter has acknowledged; ``run`` moves batches from the tails to the exporter and waits where it must;
``metrics`` exposes what was done. What is guaranteed: ``docs/follow.md``.
"""
