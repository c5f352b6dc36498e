"""How good a trained model is at finding its bird, and why it errs: figures, pictures and one page."""
