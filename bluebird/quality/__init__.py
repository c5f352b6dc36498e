"""How good a search is: figures of ranked, calibrated and counted pictures, on plain arrays."""
