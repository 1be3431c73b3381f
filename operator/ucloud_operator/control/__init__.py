"""Joining them: cache, queue, deadlines, and a worker per kind of work."""
