"""Set when the process is to stop: what takes long looks at it between two slices."""

import threading

stopping = threading.Event()
