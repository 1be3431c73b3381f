"""UCloud's HTTP calls over the same resources. So far: how its JSON shows them."""
