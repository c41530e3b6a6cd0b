"""From another gateway's configuration to a policy that means the same, and a report of what could not be carried.

One module or two for each gateway, and what they share: a source that counts which of its keys were accounted for, a
draft of a policy, a table of vendors. Nothing here opens a file; nothing secret that a source holds goes anywhere.
"""
