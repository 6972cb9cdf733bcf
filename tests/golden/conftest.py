"""Keep pytest (which reads docstring examples in every module) away from the makers.

They need TensorFlow, which the tests do not.
"""

collect_ignore_glob = ["make_*.py", "_writer.py", "_libraries.py"]
