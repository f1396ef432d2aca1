"""Requests and responses as the API writes them, and what each response proves."""
