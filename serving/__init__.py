"""How do others use it? The HTTP API, the decision ledger and the console."""
