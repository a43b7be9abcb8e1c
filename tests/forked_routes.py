"""Makes what every application takes, in the process that commands are forked from (tests/forked.py).

As `paywall serve --workers` does before it forks: otherwise each command would make its own.
"""

from service.app import make_all_routes

make_all_routes()
