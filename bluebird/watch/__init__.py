"""What a person looks at while a network trains, and every plot.

Import from its modules: those that draw need no Lightning, whose import takes longer than many a command.
"""
