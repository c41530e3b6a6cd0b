"""JSON Schemas of what Routebook reads and writes, as package data."""
