"""Views of values: they choose words and layout, and compute nothing."""
