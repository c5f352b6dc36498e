"""Picture files become batches: decode, lay out, split, cache, transform.

Nothing is imported here, so that painting and walking start without torch.
"""
