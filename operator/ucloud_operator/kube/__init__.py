"""Talking to the API server: a thin client, a reflector that keeps a copy of what it holds, and a lease.

Read in this order: `resources` (what there is), `client` (one request), `store` and `reflector` (a copy that follows
the API server), `lease` (who of several operators acts). Nothing here knows what a wallet or a job means.
"""
