"""JSON Schemas out of the API's OpenAPI document and an overlay of what it leaves unsaid."""
