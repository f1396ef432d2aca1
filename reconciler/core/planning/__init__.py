"""From what is wanted, recorded and live to a plan, and what refuses it."""
