"""Bearer tokens: where they come from, how long they serve, and when a new one is fetched."""
