"""What the service tells its operators: logs and the watchdog of the event loop.

Start with `log`. The package imports nothing by itself: `fields` and `watchdog` need only the
standard library, `log` brings structlog.
"""
