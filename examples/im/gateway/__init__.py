"""Access: clients and their connections."""
