"""Where senders reach the service, and how a machine without an address gets one."""
