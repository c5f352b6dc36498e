"""What each command is asked for: its help, its options, and what of them can be refused at once.

Nothing here loads torch or Lightning, which takes seconds: help comes, and a slip is told, at once. `train` is not
here: its settings are those of the objects that they make.
"""
