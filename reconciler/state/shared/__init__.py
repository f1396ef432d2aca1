"""What every state that machines share has in common, wherever it is kept."""
