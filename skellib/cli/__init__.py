"""What the command line can do, a module for each kind of work.

The libraries that compute are imported inside the commands that need them, so that
--help and a misspelt option answer at once.
"""
