"""UCloud's calls, a function each: paths and names are UCloud's; so is that nearly all are a GET or a POST."""
