"""Reading a repository, validating it and planning, from settings to a result."""
