"""What is seen while work is under way: a pulse, a live view, a table drawn anew."""
