"""UCloud's HTTP calls over the same resources, with the rights of whoever calls.

`app` puts it together, `calls` has a function per call, `cluster` is what is asked of the API server, `verdict` what
can be answered without it. What callers may send is in `asked`, what they get in `render`, `wallets`, `catalogue`,
`pages` and `errors`; those are pure, and so is `verdict`. `openapi` describes it all, and `reference` makes a page of
that. `measures` takes down what passes, and `leaving` is how it ends.
"""
