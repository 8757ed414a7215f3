"""``python -m mmadfer.weights list|fetch|path|remove``: weights by name."""

import sys

from mmadfer.weights.store import main

sys.exit(main())
