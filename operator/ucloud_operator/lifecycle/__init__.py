"""A job's life, as rules without I/O, clock or cluster: its states, admission, pods, how they end, and what is said."""
