"""What is a lead? Table contracts, sources, labels and observations, the store, the simulated world."""
