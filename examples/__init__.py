"""Policies to begin with, as package data: `routebook new --example NAME` copies one."""
