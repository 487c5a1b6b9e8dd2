"""How does a model come to be? Dataset, splits, leakage audit, candidates, evaluation, gates, reports."""
