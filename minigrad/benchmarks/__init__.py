"""Speed against the peers: PyTorch, TensorFlow and ONNX Runtime, on this machine, in one run.

`cases` says what is measured, ``peer_*`` how each library does it, `peers` lists them, `worker`
runs one of them in a process of its own, `rounds` lets the processes take turns, `report` gathers
what came out, and `table` writes it down.

A peer's process loads no part of minigrad but this package (and the arithmetic of padding), so
that nothing minigrad sets up for itself can slow the peer down.
"""
