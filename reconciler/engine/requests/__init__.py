"""How requests leave: in which order, at which pace, and by which clock."""
