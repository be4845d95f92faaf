"""From Python's types to protobuf's messages: read the annotations, describe, compile a codec."""
