"""What a reviewer approves: a plan explained, saved, read back and checked again."""
