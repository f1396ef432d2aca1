"""JSON Schemas: those that ship, and the policies that users write."""
