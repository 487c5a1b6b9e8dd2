"""What does a marketer see? The pages of the console, with their templates and assets."""
