"""What is kept of every request: the journal that workers write, its index, the policies that decided.

The journal is the truth, a line at a time; the index can always be made again from it.
"""
