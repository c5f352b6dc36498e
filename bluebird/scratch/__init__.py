"""The glass box: forward and backward written out by hand, on plain tensors.

Nothing here imports the rest of the package, and nothing here asks autograd.
"""
