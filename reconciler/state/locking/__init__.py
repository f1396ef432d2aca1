"""One writer for a file of state: the kernel's locks, who holds them, and disks that keep none."""
