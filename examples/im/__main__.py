"""Run the chat: ``make demo``, or ``python -m examples.im``; with ``split``, as two services.

``PORT=8001`` before it takes another port than 8000.
"""

from __future__ import annotations

import sys

from examples.im.demo import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
