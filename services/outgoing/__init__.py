"""Webhooks to customers' URLs: what is told to whom, signed, limited, retried."""
