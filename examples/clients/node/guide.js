// The listing of the guide to Vault's interface, as it stands there but for the names of hosts, and
// with what it takes for granted: that pg is there, and somebody who calls it. It needs the daemon's
// TLS listener; index.js does the same on its socket, and changes to another account in time.

const { Pool } = require('pg');

const vault = require('node-vault')({
  endpoint: 'https://localhost:8200',
  token: process.env.VAULT_TOKEN
});

async function getDbConnection() {
  // Get dynamic credentials
  const creds = await vault.read('database/creds/app-readonly');

  // Create connection
  const pool = new Pool({
    host: 'localhost',
    database: 'mydb',
    user: creds.data.username,
    password: creds.data.password
  });

  // Set up renewal
  const leaseId = creds.lease_id;
  const renewInterval = setInterval(async () => {
    try {
      await vault.write(`sys/leases/renew`, { lease_id: leaseId });
    } catch (err) {
      clearInterval(renewInterval);
      // Get new credentials
    }
  }, (creds.lease_duration / 2) * 1000);

  return pool;
}

getDbConnection()
  .then((pool) => pool.query('SELECT current_user AS me'))
  .then(({ rows }) => {
    console.log(`a query as ${rows[0].me}`);
    process.exit(0);
  })
  .catch((err) => {
    console.error(err.message);
    process.exit(1);
  });
