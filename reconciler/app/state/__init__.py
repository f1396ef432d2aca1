"""What a person may do to a state: look, edit, adopt, settle, recover, move."""
