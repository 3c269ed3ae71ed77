"""How fast leasehold is, beside bare psycopg on the same server in the same run: `make bench`."""
