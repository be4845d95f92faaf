"""The operating system: children, supervision, hand-over of listeners, daemons, and their hosts."""
