"""The console: pages of the admin listener that show what the service decides, spends and stands on, and try out policies.

Pages are made on the server, of templates, and work without a script; the one small script there is keeps a page fresh.
Every view is an address. What a page counts comes from the journal's index and the service; what it says of a decision
comes from the same functions as the commands' answers.
"""
