"""The client of the control plane: one request per call, every outcome a value."""
