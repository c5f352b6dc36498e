"""The search: a trained model goes through everything that a place holds; the finds come out best first.

Nothing is imported here, so that a process that only decodes starts without torch.
"""
