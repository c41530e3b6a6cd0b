"""The policy that ships with Routebook, as package data: `README.md` beside this file says how to change it."""
