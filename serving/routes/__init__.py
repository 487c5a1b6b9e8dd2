"""Which calls does the API answer? One file of endpoints for each noun."""
