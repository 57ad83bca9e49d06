"""The APIs of senders, as this service calls them."""
