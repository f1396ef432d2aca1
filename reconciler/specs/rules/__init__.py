"""What is checked of a spec beyond its shape, alone and beside others."""
