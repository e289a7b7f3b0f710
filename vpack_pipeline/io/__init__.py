"""The edges: image headers, input forms, identity, the warehouse and the pack store."""
