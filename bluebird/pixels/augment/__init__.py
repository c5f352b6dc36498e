"""Random variations of training pictures, one file for each kind.

Most transforms of torchvision draw once for a whole batch; these draw for each picture of it, with the whole batch
in hand, on whatever device it lies.
"""
