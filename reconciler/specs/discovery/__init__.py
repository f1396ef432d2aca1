"""Which files of a repository are specs, and which are left out."""
