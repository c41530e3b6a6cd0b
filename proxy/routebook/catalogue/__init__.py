"""Where a request may be sent: providers with their accounts, models with prices and abilities, pools.

Rules of the room: values only; an address, a key or a price comes from the policy and from nowhere else.
"""
