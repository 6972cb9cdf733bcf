"""Programs that `test_cubins.py` and `test_simulator.py` run in processes of their own."""

collect_ignore = ["assemble.py", "simulated_kernels.py"]  # need a compiler, the simulator
