"""Commands of the command line, one module per kind of task.

Slow imports such as PyTorch are inside the commands, so that ``--help`` and errors in
options appear immediately.
"""
