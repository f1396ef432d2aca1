"""The only package that changes the world: it carries out a plan and settles what is in doubt."""
