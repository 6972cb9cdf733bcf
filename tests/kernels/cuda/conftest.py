"""Keep pytest (which reads docstring examples in every module) away from a test's program.

It needs packages that the tests do not.
"""

collect_ignore = ["assemble.py"]
