"""Policy files -> a policy in force-ready form: every section read, held against the others, compiled and tried.

A reader never stops at the first problem: what an author should hear is collected and shown all at once.
"""
