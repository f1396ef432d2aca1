"""What goes wrong on demand: the rules, when they strike, and what they answer."""
