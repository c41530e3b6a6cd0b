"""The policy that ships with Routebook, as package data."""
