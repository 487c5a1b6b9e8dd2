"""What do we know about a lead at `as_of`? Signal declarations by family, and the one engine that evaluates them."""
