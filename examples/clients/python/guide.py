# The listing of the guide to Vault's interface, as it stands there but for the names of hosts. It
# needs the daemon's TLS listener; guide_socket.py does the same on its socket.

# fmt: off
import os

import hvac
import psycopg2

client = hvac.Client(url='https://localhost:8200')
client.token = os.environ['VAULT_TOKEN']

# Get database credentials
creds = client.secrets.database.generate_credentials('app-readonly')

# Use credentials
conn = psycopg2.connect(
    host='localhost',
    database='mydb',
    user=creds['data']['username'],
    password=creds['data']['password']
)

# When done, revoke lease (optional - will auto-expire)
client.sys.revoke_lease(creds['lease_id'])
