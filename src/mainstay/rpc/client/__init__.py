"""The RPC client."""
